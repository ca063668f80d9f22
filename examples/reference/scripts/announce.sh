#!/bin/sh
# Tells people that the run is over. drc gives DRC_* to every script.
set -eu
echo "${DRC_WORKFLOW:-failover} of ${DRC_PLAN:-shop} is done (run ${DRC_RUN:-unknown})"
