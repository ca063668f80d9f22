#!/bin/sh
# What the shop's people are told: announce.sh PLAN ADDRESS RECOVERY-POINT
# A real one would post this to a chat or a status page.
set -eu
echo "$DRC_WORKFLOW of $1 by run $DRC_RUN: the shop answers at $2, with the orders until $3"
