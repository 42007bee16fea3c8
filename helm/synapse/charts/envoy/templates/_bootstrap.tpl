{{/*
What Envoy reads at its start: the one source of the chart's ConfigMap and of envoy/envoy.yaml. These templates know
nothing of the release, only what they are given.

  synapse.envoy.bootstrap  dict, as _settings.tpl makes it of the chart's values and envoy/local.yaml has it:
      "listen", "metrics" (dict "host" "port")   where clients call, and where Prometheus and the kubelet do
      "admin" (port on loopback)
      "services" (dict "cache" "embed" "router" "check" -> dict "host" "port")   host: a name of all replicas
      "descriptors" (path)   what transcoding knows of the protos
      "certificate" (path of the file that names the listener's certificate; empty: no TLS)
      "mesh" (dict "certificate" "authority": paths of such files for mutual TLS with the services; empty: none)
      "tracing" (dict "host" "port" "tls" "sampleRatio"; empty: none)
      "rateLimit" (dict "requestsPerSecond" "burst" "maxKeys"; 0 requests: none)
      "limits" (dict "connections" "requests" "bodyMiB" "heapMiB")
      "timeouts" (dict "requestSeconds" "idleSeconds" "connectionSeconds")
      "retries" (number)   "accessLog" (bool)
*/}}
{{- define "synapse.envoy.bootstrap" -}}
node:
  id: envoy
  cluster: synapse
admin:
  address:
    {{- include "synapse.envoy.address" (dict "host" "127.0.0.1" "port" .admin) | nindent 4 }}
overload_manager:
  {{- include "synapse.envoy.overload" . | nindent 2 }}
static_resources:
  listeners:
    {{- include "synapse.envoy.door" . | nindent 4 }}
    {{- include "synapse.envoy.metrics" . | nindent 4 }}
  clusters:
    {{- include "synapse.envoy.clusters" . | nindent 4 }}
{{- end -}}

{{- define "synapse.envoy.address" -}}
socket_address:
  address: {{ .host }}
  port_value: {{ .port | int }}
{{- end -}}

{{/* Before memory runs out, Envoy refuses requests; a refused request is better than a killed pod with all its streams. */}}
{{- define "synapse.envoy.overload" -}}
refresh_interval: 0.25s
resource_monitors:
  - name: envoy.resource_monitors.fixed_heap
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig
      max_heap_size_bytes: {{ mul .limits.heapMiB 1048576 }}
  - name: envoy.resource_monitors.global_downstream_max_connections
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
      max_active_downstream_connections: {{ .limits.connections | int }}
actions:
  - name: envoy.overload_actions.shrink_heap
    triggers:
      - name: envoy.resource_monitors.fixed_heap
        threshold: {value: 0.9}
  - name: envoy.overload_actions.stop_accepting_requests
    triggers:
      - name: envoy.resource_monitors.fixed_heap
        threshold: {value: 0.95}
{{- end -}}
