#!/bin/sh
# An order that is placed and taken back: where that works, the shop does.
set -eu
echo "an order at http://$DRC_ADDRESS:8080/orders, by run $DRC_RUN"
