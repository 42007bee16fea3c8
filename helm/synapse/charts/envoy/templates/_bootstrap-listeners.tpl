{{/*
Where Envoy is called. All take the dict of synapse.envoy.bootstrap.

  synapse.envoy.door     the listener of clients: gRPC and REST, HTTP/1.1 and 2
  synapse.envoy.metrics  the listener of Prometheus and the kubelet: /metrics and /ready out of the admin, nothing else
*/}}
{{- define "synapse.envoy.door" -}}
- name: door
  address:
    {{- include "synapse.envoy.address" .listen | nindent 4 }}
  per_connection_buffer_limit_bytes: 1048576
  filter_chains:
    - filters:
        - name: envoy.filters.network.http_connection_manager
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
            {{- include "synapse.envoy.connection" . | nindent 12 }}
      {{- if .certificate }}
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_params: {tls_minimum_protocol_version: TLSv1_2, tls_maximum_protocol_version: TLSv1_3}
            tls_certificate_sds_secret_configs:
              - name: door
                sds_config: {resource_api_version: V3, path_config_source: {path: {{ .certificate }}}}
      {{- end }}
{{- end -}}

{{- define "synapse.envoy.connection" -}}
stat_prefix: door
codec_type: AUTO
use_remote_address: true
generate_request_id: true
preserve_external_request_id: true
always_set_request_id_in_response: true
normalize_path: true
merge_slashes: true
path_with_escaped_slashes_action: KEEP_UNCHANGED
request_headers_timeout: 10s
# Streams may be silent for as long as a backend thinks; routes say how long.
stream_idle_timeout: 0s
drain_timeout: 5s
common_http_protocol_options:
  idle_timeout: 3600s
  # Clients come back elsewhere, so that replicas of Envoy that were added get their share. Streams end first.
  max_connection_duration: {{ .timeouts.connectionSeconds | int }}s
  headers_with_underscores_action: REJECT_REQUEST
http2_protocol_options:
  max_concurrent_streams: 1000
  initial_stream_window_size: 1048576
  initial_connection_window_size: 8388608
  connection_keepalive: {interval: 30s, timeout: 10s}
# Who a caller is says the gateway; what a client claims is gone before anything reads it.
early_header_mutation_extensions:
  - name: envoy.http.early_header_mutation.header_mutation
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation
      mutations:
        - remove: x-synapse-identity
        - remove: x-synapse-tenant
        - remove: x-synapse-subject
        - remove: x-envoy-original-path
{{- include "synapse.envoy.tracing" . }}
{{- if .accessLog }}
access_log:
  {{- include "synapse.envoy.accessLog" . | nindent 2 }}
{{- end }}
local_reply_config:
  {{- include "synapse.envoy.replies" . | nindent 2 }}
http_filters:
  {{- include "synapse.envoy.filters" . | nindent 2 }}
route_config:
  {{- include "synapse.envoy.routes" . | nindent 2 }}
{{- end -}}

{{- define "synapse.envoy.tracing" -}}
{{- with .tracing }}
tracing:
  random_sampling: {value: {{ mulf .sampleRatio 100 }}}
  provider:
    name: envoy.tracers.opentelemetry
    typed_config:
      "@type": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig
      service_name: synapse-envoy
      grpc_service:
        envoy_grpc: {cluster_name: tracing}
        timeout: 5s
{{- end }}
{{- end -}}

{{/* One line of JSON for each request. Never a header that may hold a key, nor a query. */}}
{{- define "synapse.envoy.accessLog" -}}
- name: envoy.access_loggers.stdout
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
    log_format:
      json_format:
        time: "%START_TIME%"
        request_id: "%REQ(X-REQUEST-ID)%"
        trace_id: "%TRACE_ID%"
        http: "%PROTOCOL%"
        method: "%REQ(:METHOD)%"
        path: "%PATH(NQ:ORIG_OR_PATH)%"
        rpc: "%PATH(NQ:PATH)%"
        code: "%RESPONSE_CODE%"
        grpc_status: "%GRPC_STATUS%"
        details: "%RESPONSE_CODE_DETAILS%"
        flags: "%RESPONSE_FLAGS%"
        duration_ms: "%DURATION%"
        first_byte_ms: "%RESPONSE_DURATION%"
        bytes_received: "%BYTES_RECEIVED%"
        bytes_sent: "%BYTES_SENT%"
        tenant: "%REQ(X-SYNAPSE-TENANT)%"
        subject: "%REQ(X-SYNAPSE-SUBJECT)%"
        client: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
        upstream: "%UPSTREAM_HOST%"
        attempts: "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"
        user_agent: "%REQ(USER-AGENT)%"
{{- end -}}

{{- define "synapse.envoy.metrics" -}}
- name: metrics
  address:
    {{- include "synapse.envoy.address" .metrics | nindent 4 }}
  bypass_overload_manager: true
  filter_chains:
    - filters:
        - name: envoy.filters.network.http_connection_manager
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
            stat_prefix: admin
            http_filters:
              - name: envoy.filters.http.router
                typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
            route_config:
              virtual_hosts:
                - name: metrics
                  domains: ["*"]
                  routes:
                    {{- range $path, $behind := dict "/metrics" "/stats/prometheus" "/stats/prometheus" "/stats/prometheus" "/ready" "/ready" }}
                    - match: {path: {{ $path }}}
                      route: {cluster: admin, prefix_rewrite: {{ $behind }}, timeout: 5s}
                    {{- end }}
                    - match: {prefix: /}
                      direct_response: {status: 404}
{{- end -}}
