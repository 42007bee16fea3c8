{{/*
What happens to a request on its way, and where it goes. All take the dict of synapse.envoy.bootstrap.

  synapse.envoy.filters  who calls, how often, and REST to gRPC
  synapse.envoy.routes   a service by its name in the path; REST has become gRPC by then
  synapse.envoy.replies  what Envoy itself answers, in the shape of the caller's protocol
*/}}
{{- define "synapse.envoy.filters" -}}
- name: envoy.filters.http.ext_authz
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
    transport_api_version: V3
    failure_mode_allow: false
    status_on_error: {code: ServiceUnavailable}
    allowed_headers:
      # Never content-type: the question about a gRPC call would be a gRPC call, and Envoy's own 503 to it a 200.
      patterns: [{exact: authorization}, {exact: x-api-key}]
    http_service:
      server_uri:
        uri: {{ printf "%s://%s:%v" (ternary "https" "http" (not (empty .mesh))) .services.check.host .services.check.port }}
        cluster: check
        timeout: 1s
      path_prefix: /check
      authorization_response:
        allowed_upstream_headers:
          patterns: [{exact: x-synapse-identity}, {exact: x-synapse-tenant}, {exact: x-synapse-subject}]
        allowed_client_headers:
          patterns: [{exact: content-type}, {exact: grpc-status-details-bin}]
{{- with .rateLimit }}
{{- if .requestsPerSecond }}
- name: envoy.filters.http.local_ratelimit
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
    stat_prefix: keys
    filter_enabled: {default_value: {numerator: 100}}
    filter_enforced: {default_value: {numerator: 100}}
    rate_limited_as_resource_exhausted: true
    # Each key has a bucket of its own; the one for all is only for what has no key.
    always_consume_default_token_bucket: false
    token_bucket: {max_tokens: 4294967295, tokens_per_fill: 4294967295, fill_interval: 1s}
    max_dynamic_descriptors: {{ .maxKeys | int }}
    response_headers_to_add:
      - header: {key: retry-after, value: "1"}
    rate_limits:
      - actions:
          - request_headers: {header_name: x-synapse-tenant, descriptor_key: tenant}
          - request_headers: {header_name: x-synapse-subject, descriptor_key: subject}
    descriptors:
      - entries: [{key: tenant}, {key: subject}]
        token_bucket:
          {{- include "synapse.envoy.bucket" . | nindent 10 }}
{{- end }}
{{- end }}
- name: envoy.filters.http.grpc_json_transcoder
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder
    proto_descriptor: {{ .descriptors }}
    services: [synapse.cache.v1.CacheService, synapse.embed.v1.EmbedService, synapse.router.v1.RouterService]
    convert_grpc_status: true
    max_request_body_size: {{ mul .limits.bodyMiB 1048576 }}
    max_response_body_size: {{ mul .limits.bodyMiB 2097152 }}
    print_options:
      always_print_primitive_fields: true
      preserve_proto_field_names: true
      stream_sse_style_delimited: true
    # A typo is refused, as the gateway does; a body's unknown fields Envoy passes over.
    request_validation_options: {reject_unknown_query_parameters: true, reject_binding_body_field_collisions: true}
    url_unescape_spec: ALL_CHARACTERS_EXCEPT_RESERVED
    query_param_unescape_plus: true
- name: envoy.filters.http.router
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
    suppress_envoy_headers: true
{{- end -}}

{{/* As many tokens a fill as come out whole: 0.5 a second is one in two seconds. */}}
{{- define "synapse.envoy.bucket" -}}
{{- $rate := .requestsPerSecond | float64 -}}
max_tokens: {{ max 1 (default (ceil $rate | int) (.burst | int)) }}
{{- if ge $rate 1.0 }}
tokens_per_fill: {{ floor $rate | int }}
fill_interval: 1s
{{- else }}
tokens_per_fill: 1
fill_interval: {{ printf "%.3f" (divf 1.0 $rate) }}s
{{- end }}
{{- end -}}

{{- define "synapse.envoy.routes" -}}
virtual_hosts:
  - name: mesh
    domains: ["*"]
    # The key has been turned into an identity; no service sees it.
    request_headers_to_remove: [authorization, x-api-key]
    include_request_attempt_count: true
    retry_policy:
      # Only what no message has come of yet: Envoy repeats nothing once a response has begun.
      retry_on: unavailable,connect-failure,refused-stream,reset-before-request
      num_retries: {{ .retries | int }}
      retry_back_off: {base_interval: 0.05s, max_interval: 0.5s}
      # The next places on the ring of hashes are often the same replica.
      host_selection_retry_max_attempts: 20
      retry_host_predicate:
        - name: envoy.retry_host_predicates.previous_hosts
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate
    routes:
      - match: {prefix: /grpc.health.v1.Health/, grpc: {}}
        route:
          {{- include "synapse.envoy.action" (dict "cluster" "cache" "idle" 3600 "whole" 0) | nindent 10 }}
        typed_per_filter_config:
          envoy.filters.http.ext_authz:
            "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
            disabled: true
      # It tells of what happens, and often nothing does.
      - match: {path: /synapse.cache.v1.CacheService/WatchInvalidations, grpc: {}}
        route:
          {{- include "synapse.envoy.action" (dict "cluster" "cache" "idle" 3600 "whole" 0) | nindent 10 }}
      {{- $idle := .timeouts.idleSeconds }}
      {{- $whole := .timeouts.requestSeconds }}
      {{- range list (list "synapse.cache.v1.CacheService" "cache") (list "synapse.embed.v1.EmbedService" "embed") (list "synapse.router.v1.RouterService" "router") }}
      - match: {prefix: /{{ first . }}/, grpc: {}}
        route:
          {{- include "synapse.envoy.action" (dict "cluster" (last .) "idle" $idle "whole" $whole) | nindent 10 }}
      {{- end }}
      - match: {prefix: /grpc.reflection., grpc: {}}
        route:
          {{- include "synapse.envoy.action" (dict "cluster" "cache" "idle" $idle "whole" $whole) | nindent 10 }}
      - match: {prefix: /, grpc: {}}
        direct_response: {status: 404, body: {inline_string: "Synapse has no such method."}}
      - match: {prefix: /}
        direct_response: {status: 404, body: {inline_string: "There is nothing at this path."}}
{{- end -}}

{{/*
Streams must have no timeout of the route's: the whole is bounded by the caller's deadline (grpc-timeout) and by "whole"
seconds (0: not at all), and a stream that is silent for "idle" seconds ends.
*/}}
{{- define "synapse.envoy.action" -}}
cluster: {{ .cluster }}
timeout: 0s
idle_timeout: {{ .idle | int }}s
max_stream_duration: {max_stream_duration: {{ .whole | int }}s, grpc_timeout_header_max: {{ .whole | int }}s}
{{- if eq .cluster "cache" }}
# Equal questions meet at the same replica; without the header any replica is as good.
hash_policy:
  - header: {header_name: x-synapse-routing-key}
{{- end }}
{{- end -}}

{{/*
REST is told by its path before transcoding, or by its media type where it never came so far. The identity check words
its refusals itself, and so does a service.
*/}}
{{- define "synapse.envoy.replies" -}}
mappers:
  - filter:
      and_filter:
        filters:
          - {{ include "synapse.envoy.isStatus" 503 }}
          - response_flag_filter: {flags: [UAEX]}
          - {{ include "synapse.envoy.isGrpc" . }}
    body_format_override:
      text_format_source: {inline_string: "Keys cannot be checked at the moment. Try again."}
  - filter:
      and_filter:
        filters:
          - {{ include "synapse.envoy.isStatus" 503 }}
          - response_flag_filter: {flags: [UAEX]}
    body_format_override:
      json_format: {code: 14, message: "Keys cannot be checked at the moment. Try again.", details: []}
  - filter:
      and_filter:
        filters:
          - {{ include "synapse.envoy.isStatus" 429 }}
          - {{ include "synapse.envoy.isGrpc" . }}
    body_format_override:
      text_format_source: {inline_string: "This key has made too many requests. Try again in a second."}
  - filter: { {{- include "synapse.envoy.isStatus" 429 -}} }
    body_format_override:
      json_format: {code: 8, message: "This key has made too many requests. Try again in a second.", details: []}
  # The rest of what Envoy says itself, as a google.rpc.Status for REST.
  {{- range list (list 400 3) (list 404 5) (list 408 4) (list 413 8) (list 500 13) (list 502 14) (list 503 14) (list 504 4) }}
  - filter:
      and_filter:
        filters:
          - {{ include "synapse.envoy.isStatus" (first .) }}
          - {{ include "synapse.envoy.isRest" . }}
    body_format_override:
      json_format: {code: {{ last . }}, message: "%LOCAL_REPLY_BODY%", details: []}
  {{- end }}
{{- end -}}

{{- define "synapse.envoy.isStatus" -}}
status_code_filter: {comparison: {op: EQ, value: {default_value: {{ . }}, runtime_key: synapse.local_reply}}}
{{- end -}}

{{- define "synapse.envoy.isGrpc" -}}
and_filter: {filters: [{header_filter: {header: {name: content-type, string_match: {prefix: application/grpc}}}}, {header_filter: {header: {name: x-envoy-original-path, present_match: false}}}]}
{{- end -}}

{{- define "synapse.envoy.isRest" -}}
or_filter: {filters: [{header_filter: {header: {name: content-type, string_match: {prefix: application/grpc}, invert_match: true, treat_missing_header_as_empty: true}}}, {header_filter: {header: {name: x-envoy-original-path, present_match: true}}}]}
{{- end -}}
