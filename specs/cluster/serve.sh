#!/usr/bin/env bash
# Keeps one server up: starts it, asks its /health, and starts it again when it ends or ceases to answer.
#   serve.sh PORT COMMAND...
# A server that has answered once and then fails to MISSES times in a row, EVERY seconds apart, is told to end, and killed
# if it is still there after two more. How long it may load its model is its own --start-limit.
set -u
port=$1; shift
every=${EVERY:-15} misses=${MISSES:-8}
child=
trap 'kill "$child" 2>/dev/null; wait "$child"; exit 143' TERM INT
while :; do
  "$@" & child=$!
  answered=0 missed=0
  while kill -0 "$child" 2>/dev/null; do
    sleep "$every" & wait $!
    if curl --silent --fail --max-time 10 --output /dev/null "http://127.0.0.1:$port/health"; then
      answered=1 missed=0
    elif [ "$answered" = 1 ]; then
      missed=$((missed + 1))
      [ "$missed" != "$misses" ] || { echo "serve.sh: port $port does not answer" >&2; kill "$child"; }
      [ "$missed" -lt $((misses + 2)) ] || kill -KILL "$child"
    fi
  done
  wait "$child"
  echo "serve.sh: port $port: ended with status $?, is started again" >&2
  sleep "$every" & wait $!
done
