{{/*
The configuration of the services: one JSON file in their own settings' schema (docs/reference.md).

  synapse.config                   root context -> the text of config.json; refuses values that contradict each other
  synapse.config.sections          root context -> the same as one line, without that
  synapse.podAnnotations.checksum  root context -> annotations that change when pods must restart. The section `router`
                                   is not in it: the llm-router reads it again by itself.
*/}}
{{- define "synapse.config" -}}
{{- include "synapse.validate" . -}}
{{- include "synapse.config.sections" . | fromJson | toPrettyJson -}}
{{- end -}}

{{- define "synapse.config.sections" -}}
{{- $config := dict -}}
{{- range $section := list "mesh" "telemetry" "gateway" "cache" "embed" "router" -}}
{{- $_ := set $config $section (include (printf "synapse.config.%s" $section) $ | fromJson) -}}
{{- end -}}
{{- include "synapse.overlay" (dict "base" $config "over" (deepCopy .Values.config)) -}}
{{- toJson $config -}}
{{- end -}}

{{- define "synapse.config.mesh" -}}
{{- $mesh := dict "drain_seconds" (include "synapse.drainSeconds" . | int) -}}
{{- range $target, $at := dict "cache_target" "proxy:50051" "embed_target" "embeddings:50052" "router_target" "llm-router:50053" -}}
{{- $place := splitList ":" $at -}}
{{- $host := include "synapse.host" (dict "root" $ "service" (first $place)) -}}
{{- $_ := set $mesh $target (printf "dns:///%s:%s" $host (last $place)) -}}
{{- end -}}
{{- if .Values.mtls.enabled -}}
{{- $_ := set $mesh "tls" (dict "cert" "/etc/synapse-tls/tls.crt" "key" "/etc/synapse-tls/tls.key" "ca" "/etc/synapse-tls/ca.crt") -}}
{{- end -}}
{{- toJson $mesh -}}
{{- end -}}

{{/* A pod waits for calls in flight until shortly before Kubernetes kills it. */}}
{{- define "synapse.drainSeconds" -}}
{{- $grace := 3630 -}}
{{- range $component := list "gateway" "proxy" "embeddings" "llmRouter" -}}
{{- $grace = min $grace (default 630 (index $.Values $component "terminationGracePeriodSeconds") | int) -}}
{{- end -}}
{{- max 1 (sub $grace 30) -}}
{{- end -}}

{{- define "synapse.config.telemetry" -}}
{{- $telemetry := .Values.telemetry -}}
{{- dict "log_filter" $telemetry.logFilter "otlp_endpoint" $telemetry.otlpEndpoint "trace_sample_ratio" $telemetry.traceSampleRatio | toJson -}}
{{- end -}}

{{- define "synapse.config.gateway" -}}
{{- $config := .Values.gateway.config -}}
{{- dict "listen" "0.0.0.0:8080" "check_listen" "0.0.0.0:9050" "rate_limit_rps" $config.rateLimitRps "max_concurrent_requests" $config.maxConcurrentRequests | toJson -}}
{{- end -}}

{{- define "synapse.config.cache" -}}
{{- $milvus := .Values.dependencies.milvus -}}
{{- $cache := dict "listen" "0.0.0.0:50051" "probes" "0.0.0.0:9051" "data_dir" "/var/lib/synapse" "vectors" "milvus" "milvus_endpoint" (include "synapse.milvus.endpoint" .) -}}
{{- if eq $milvus.mode "external" -}}
{{- $_ := set $cache "milvus_database" $milvus.external.database -}}
{{- end -}}
{{- toJson $cache -}}
{{- end -}}

{{- define "synapse.config.router" -}}
{{- merge (dict "listen" "0.0.0.0:50053" "probes" "0.0.0.0:9053") (include "synapse.backends" . | fromJson) | toJson -}}
{{- end -}}

{{- define "synapse.podAnnotations.checksum" -}}
{{- include "synapse.secrets" . -}}
{{- $config := omit (include "synapse.config.sections" . | fromJson) "router" -}}
checksum/config: {{ toJson $config | sha256sum }}
checksum/secrets: {{ list .SynapseSecrets.keys .SynapseSecrets.internal | toJson | sha256sum }}
{{- end -}}
