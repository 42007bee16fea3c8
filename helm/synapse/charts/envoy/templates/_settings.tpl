{{/*
  synapse.envoy.settings  root context -> the dict of synapse.envoy.bootstrap as JSON, out of the chart's values
  synapse.envoy.files     root context -> the ConfigMap's texts: envoy.yaml, drain.sh, and what names certificates. Envoy reads
                          a certificate again when it changes only where such a file names it.
*/}}
{{- define "synapse.envoy.settings" -}}
{{- $values := .Values.envoy -}}
{{- $services := dict -}}
{{- range $name, $at := dict "cache" "proxy:50051" "embed" "embeddings:50052" "router" "llm-router:50053" "check" "gateway-check:9050" -}}
{{- $host := include "synapse.host" (dict "root" $ "service" (splitList ":" $at | first)) -}}
{{- $_ := set $services $name (dict "host" $host "port" (splitList ":" $at | last | int)) -}}
{{- end -}}
{{- $rate := $values.rateLimit.requestsPerSecond -}}
{{- if eq (toString $rate) "" -}}
{{- $rate = .Values.gateway.config.rateLimitRps -}}
{{- end -}}
{{- $settings := dict
      "listen" (dict "host" "0.0.0.0" "port" 50050)
      "metrics" (dict "host" "0.0.0.0" "port" 9902)
      "admin" 9901
      "services" $services
      "descriptors" "/etc/envoy/synapse.pb"
      "certificate" (ternary "/etc/envoy/door.yaml" "" $values.tls.enabled)
      "mesh" (ternary (dict "certificate" "/etc/envoy/mesh.yaml" "authority" "/etc/envoy/authority.yaml") dict .Values.mtls.enabled)
      "tracing" (include "synapse.envoy.collector" . | fromJson)
      "rateLimit" (dict "requestsPerSecond" $rate "burst" $values.rateLimit.burst "maxKeys" $values.rateLimit.maxKeys)
      "limits" $values.limits
      "timeouts" $values.timeouts
      "retries" $values.retries
      "accessLog" $values.accessLog -}}
{{- toJson $settings -}}
{{- end -}}

{{/* telemetry.otlpEndpoint, a URL or host:port, in parts. */}}
{{- define "synapse.envoy.collector" -}}
{{- $telemetry := .Values.telemetry -}}
{{- $collector := dict -}}
{{- with $telemetry.otlpEndpoint -}}
{{- $host := regexReplaceAll "(:[0-9]+)?(/.*)?$" (regexReplaceAll "^[a-z]+://" . "") "" -}}
{{- $port := include "synapse.urlPort" (dict "url" . "default" 4317) | int -}}
{{- $collector = dict "host" $host "port" $port "tls" (hasPrefix "https://" .) "sampleRatio" $telemetry.traceSampleRatio -}}
{{- end -}}
{{- toJson $collector -}}
{{- end -}}

{{- define "synapse.envoy.files" -}}
{{- $settings := include "synapse.envoy.settings" . | fromJson -}}
{{- $files := dict "envoy.yaml" (include "synapse.envoy.bootstrap" $settings) "drain.sh" (.Files.Get "files/envoy-drain.sh") -}}
{{- if $settings.certificate -}}
{{- $_ := set $files "door.yaml" (include "synapse.envoy.certificate" (dict "name" "door" "folder" "/etc/envoy-tls")) -}}
{{- end -}}
{{- if $settings.mesh -}}
{{- $_ := set $files "mesh.yaml" (include "synapse.envoy.certificate" (dict "name" "mesh" "folder" "/etc/synapse-tls")) -}}
{{- $_ := set $files "authority.yaml" (include "synapse.envoy.certificate" (dict "name" "authority" "folder" "/etc/synapse-tls")) -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{- define "synapse.envoy.certificate" -}}
resources:
  - "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
    name: {{ .name }}
    {{- if eq .name "authority" }}
    validation_context:
      trusted_ca: {filename: {{ .folder }}/ca.crt}
    {{- else }}
    tls_certificate:
      certificate_chain: {filename: {{ .folder }}/tls.crt}
      private_key: {filename: {{ .folder }}/tls.key}
    {{- end }}
      watched_directory: {path: {{ .folder }}}
{{- end -}}
