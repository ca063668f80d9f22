#!/bin/sh
# Tells the world: announce.sh PLAN WORKFLOW RECOVERY-POINT
echo "$1: $2 done, with data of $3"
