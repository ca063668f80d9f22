#!/bin/sh
# Points the application at the database's new address: point-at-db.sh ADDRESS
set -eu
address=$1
configuration=${CONFIGURATION:-/etc/shop/database.conf}
mkdir -p "$(dirname "$configuration")"
printf 'host=%s\nsite=%s\n' "$address" "${DOMAIN:-}" > "$configuration.new"
mv "$configuration.new" "$configuration"
