{{/*
Probes.

  synapse.probes  dict "values" .Values.c.probes (startup, readiness, liveness: laid over the defaults; a handler given
                  there takes the place of the default one)
                  "startup" (dict) "readiness" (dict) "liveness" (dict): the defaults, each a whole probe
                  -> startupProbe, readinessProbe, livenessProbe
  synapse.serviceProbes
                  dict "root" $ "values" .Values.c "grpc" 50051 "http" "http" "startSeconds" 120: the probes of our gRPC
                  services. Readiness and start over gRPC itself, or on /ready of the probes' port where mTLS keeps the
                  kubelet out; liveness on /health, which asks nobody else.
*/}}
{{- define "synapse.probes" -}}
{{- $given := default dict .values -}}
{{- $defaults := . -}}
{{- range $name := list "startup" "readiness" "liveness" }}
{{- $probe := deepCopy (index $defaults $name) -}}
{{- $own := default dict (index $given $name) -}}
{{- if or $own.httpGet $own.grpc $own.tcpSocket $own.exec -}}
{{- $probe = omit $probe "httpGet" "grpc" "tcpSocket" "exec" -}}
{{- end }}
{{ $name }}Probe:
  {{- mergeOverwrite $probe (deepCopy $own) | toYaml | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "synapse.serviceProbes" -}}
{{- $handler := dict "grpc" (dict "port" .grpc) -}}
{{- if .root.Values.mtls.enabled -}}
{{- $handler = dict "httpGet" (dict "path" "/ready" "port" .http) -}}
{{- end -}}
{{- $startup := merge (dict "periodSeconds" 2 "timeoutSeconds" 2 "failureThreshold" (div .startSeconds 2)) $handler -}}
{{- $readiness := merge (dict "periodSeconds" 5 "timeoutSeconds" 3 "failureThreshold" 2) $handler -}}
{{- $liveness := dict "httpGet" (dict "path" "/health" "port" .http) "periodSeconds" 10 "timeoutSeconds" 5 "failureThreshold" 6 -}}
{{- include "synapse.probes" (dict "values" .values.probes "startup" $startup "readiness" $readiness "liveness" $liveness) -}}
{{- end -}}
