#!/bin/sh
# Sends catalogue changes with kcat (Debian: apt install kcat) and jq-free shell: sh send_changes.sh HOST:PORT
# Key and value stand on one line, divided by a tab; the key is the item's id; an empty value (-Z) deletes.
set -eu
broker="$1"
{
  printf 'sku-1\t{"op": "upsert", "item_id": "sku-1", "image_url": "%s", "attributes": {"price": 49.9}}\n' "${IMAGE_URL:-https://cdn.example.com/1.jpg}"
  printf 'sku-1\t{"op": "patch", "item_id": "sku-1", "attributes": {"in_stock": false}}\n'
  printf 'sku-2\t\n'
} | kcat -P -b "$broker" -t catalog.changes -K "$(printf '\t')" -Z -X partitioner=murmur2_random
