{{/*
Whom Envoy calls. All take the dict of synapse.envoy.bootstrap, or a dict "given" that "name" n.

  synapse.envoy.clusters  the services, the identity check, the own admin, and where traces go
*/}}
{{- define "synapse.envoy.clusters" -}}
{{- $given := . -}}
{{- range $name := list "cache" "embed" "router" }}
- name: {{ $name }}
  {{- include "synapse.envoy.service" (dict "given" $given "name" $name) | nindent 2 }}
{{- end }}
- name: check
  {{- include "synapse.envoy.replicas" (dict "given" . "name" "check") | nindent 2 }}
  lb_policy: LEAST_REQUEST
  typed_extension_protocol_options:
    envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
      "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
      common_http_protocol_options: {idle_timeout: 60s} # shorter than the gateway's, so that no question meets its end
      explicit_http_config: {http_protocol_options: {}}
- name: admin
  type: STATIC
  connect_timeout: 1s
  load_assignment:
    {{- include "synapse.envoy.endpoints" (dict "name" "admin" "host" "127.0.0.1" "port" .admin) | nindent 4 }}
{{- with .tracing }}
- name: tracing
  type: STRICT_DNS
  connect_timeout: 2s
  load_assignment:
    {{- include "synapse.envoy.endpoints" (dict "name" "tracing" "host" .host "port" .port) | nindent 4 }}
  {{- include "synapse.envoy.http2" . | nindent 2 }}
  {{- if .tls }}
  transport_socket:
    name: envoy.transport_sockets.tls
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
      sni: {{ .host }}
      common_tls_context:
        tls_params: {tls_maximum_protocol_version: TLSv1_3}
        validation_context:
          trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}
          match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: {{ .host }}}}]
  {{- end }}
{{- end }}
{{- end -}}

{{- define "synapse.envoy.service" -}}
{{- include "synapse.envoy.replicas" . }}
{{- if eq .name "cache" }}
lb_policy: RING_HASH
ring_hash_lb_config: {minimum_ring_size: 1024}
{{- else }}
lb_policy: LEAST_REQUEST
{{- end }}
health_checks:
  - interval: 5s
    timeout: 3s
    no_traffic_interval: 5s
    unhealthy_threshold: 2
    healthy_threshold: 1
    unhealthy_interval: 1s
    no_traffic_healthy_interval: 5s
    grpc_health_check: {authority: {{ (index .given.services .name).host }}}
{{ include "synapse.envoy.http2" . }}
{{- end -}}

{{/*
Replicas are what DNS names. One that DNS has forgotten gets nothing new and ends what it serves. What a replica answers
does not eject it: a backend's UNAVAILABLE comes through it and says nothing of it; only what never was an answer does.
*/}}
{{- define "synapse.envoy.replicas" -}}
{{- $name := .name -}}
{{- $place := index .given.services .name -}}
cluster_type:
  name: envoy.cluster.dns
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster
    dns_refresh_rate: 5s
    dns_failure_refresh_rate: {base_interval: 0.5s, max_interval: 5s}
    dns_lookup_family: ALL
connect_timeout: 1s
ignore_health_on_host_removal: true
per_connection_buffer_limit_bytes: 1048576
load_assignment:
  {{- include "synapse.envoy.endpoints" (dict "name" .name "host" $place.host "port" $place.port) | nindent 2 }}
common_lb_config:
  healthy_panic_threshold: {value: 0}
circuit_breakers:
  thresholds:
    - max_connections: {{ .given.limits.connections | int }}
      max_pending_requests: {{ .given.limits.requests | int }}
      max_requests: {{ .given.limits.requests | int }}
      retry_budget: {budget_percent: {value: 20}, min_retry_concurrency: 5}
      track_remaining: true
outlier_detection:
  split_external_local_origin_errors: true
  consecutive_local_origin_failure: 5
  enforcing_consecutive_local_origin_failure: 100
  enforcing_local_origin_success_rate: 0
  enforcing_consecutive_5xx: 0
  enforcing_consecutive_gateway_failure: 0
  enforcing_success_rate: 0
  interval: 5s
  base_ejection_time: 10s
  max_ejection_time: 60s
  max_ejection_percent: 50
{{- with .given.mesh }}
transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
    sni: {{ $place.host }}
    common_tls_context:
      {{- if ne $name "check" }}
      alpn_protocols: [h2]
      {{- end }}
      # Envoy offers no more than 1.2 to those whom it calls unless it is told.
      tls_params: {tls_minimum_protocol_version: TLSv1_2, tls_maximum_protocol_version: TLSv1_3}
      tls_certificate_sds_secret_configs:
        - name: mesh
          sds_config: {resource_api_version: V3, path_config_source: {path: {{ .certificate }}}}
      combined_validation_context:
        default_validation_context:
          match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: {{ $place.host }}}}]
        validation_context_sds_secret_config:
          name: authority
          sds_config: {resource_api_version: V3, path_config_source: {path: {{ .authority }}}}
{{- end }}
{{- end -}}

{{- define "synapse.envoy.endpoints" -}}
cluster_name: {{ .name }}
endpoints:
  - lb_endpoints:
      - endpoint:
          address:
            {{- include "synapse.envoy.address" . | nindent 12 }}
{{- end -}}

{{- define "synapse.envoy.http2" -}}
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    common_http_protocol_options: {max_response_headers_kb: 512} # a status carries a backend's own error
    explicit_http_config:
      http2_protocol_options:
        initial_stream_window_size: 1048576
        initial_connection_window_size: 8388608
        connection_keepalive: {interval: 30s, timeout: 10s}
{{- end -}}
