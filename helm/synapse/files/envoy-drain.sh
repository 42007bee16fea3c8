#!/bin/bash
# Ends Envoy's work without ending anybody's stream: Envoy itself drops them all on SIGTERM. Kubernetes runs this before.
# Argument: the most seconds that this may take. SYNAPSE_ENVOY_ADMIN: port of the admin interface.
set -u
deadline=$((SECONDS + $1))
port=${SYNAPSE_ENVOY_ADMIN:-9901}

# The image has no curl.
ask() {
  exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
  printf '%s %s HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" "$2" >&3
  local line
  while IFS= read -r -t 5 line <&3; do printf '%s\n' "${line%$'\r'}"; done
  exec 3>&-
}

active() {
  local line
  line=$(ask GET '/stats?filter=^http.door.downstream_rq_active$')
  [[ $line =~ downstream_rq_active:\ ([0-9]+) ]] && echo "${BASH_REMATCH[1]}"
}

# New clients go elsewhere, and those that are connected hear of it with their next response.
ask POST /healthcheck/fail >/dev/null || exit 0
sleep "${SYNAPSE_ENVOY_PAUSE:-5}"
ask POST '/drain_listeners?graceful&skip_exit' >/dev/null
while ((SECONDS < deadline)); do
  [[ $(active) == 0 ]] && break
  sleep 1
done
