#!/bin/sh
# Writes the database's address into the application's settings: point-at-db.sh ADDRESS
set -eu
printf 'DATABASE_HOST=%s\n' "$1" > /etc/default/shop-app
