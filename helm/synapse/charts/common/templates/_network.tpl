{{/*
Network policies: only who calls a component reaches it, and it reaches only whom it calls. Nothing is rendered unless
networkPolicy.enabled.

  synapse.networkPolicy  dict "root" $ "component" c "workload" w
      "values" .Values.c (optional; networkPolicy.{extraIngress,extraEgress}: further rules as Kubernetes writes them)
      "ingress" (list of rules)  each: "ports" (list of numbers) and some of
          "from" (list of workloads of this release: "gateway", "tei", ...; "envoy" only where it is enabled)
          "metrics" true   pods of the namespaces with the labels networkPolicy.metricsNamespaceSelector (all where empty)
          "peers" (list of NetworkPolicyPeer, as written in values)   "anyone" true
      "egress" (list of rules)   each: "ports" (optional: all) and one of
          "to" (list of workloads of this release)   "peers" (list)   "anyone" true
      DNS is always let out (5353 is where the pods of OpenShift's DNS listen); the OTLP endpoint, too, with
      "telemetry" true.
  synapse.redisEgress, synapse.milvusEgress
                         root context ($): the egress rule to the store, bundled or external, as YAML (use fromYaml)
  synapse.urlPort        dict "url" "redis://h:6379/0" or "h:19530" "default" 6379  ->  the port
*/}}
{{- define "synapse.networkPolicy" -}}
{{- if .root.Values.networkPolicy.enabled -}}
{{- $context := . -}}
{{- $own := default dict (default dict .values).networkPolicy -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "synapse.metadata" (dict "root" .root "component" .component "workload" .workload "name" (include "synapse.objectName" .)) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "synapse.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- range .ingress }}
    {{- with include "synapse.networkRule" (dict "root" $context.root "rule" . "side" "from" "names" .from) }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- with $own.extraIngress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  egress:
    - ports:
        {{- range $port := list 53 5353 }}
        - {port: {{ $port }}, protocol: UDP}
        - {port: {{ $port }}, protocol: TCP}
        {{- end }}
    {{- range .egress }}
    {{- with include "synapse.networkRule" (dict "root" $context.root "rule" . "side" "to" "names" .to) }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- with $own.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- if and .telemetry .root.Values.telemetry.otlpEndpoint }}
    - ports:
        - {port: {{ include "synapse.urlPort" (dict "url" .root.Values.telemetry.otlpEndpoint "default" 4317) }}, protocol: TCP}
    {{- end }}
{{- end -}}
{{- end -}}

{{/* A rule whose peers are all missing is left out: without peers it would hold for everyone. */}}
{{- define "synapse.networkRule" -}}
{{- $root := .root -}}
{{- $peers := list -}}
{{- range .names -}}
{{- if or (ne . "envoy") (default dict $root.Values.envoy).enabled -}}
{{- $labels := dict "app.kubernetes.io/name" (include "synapse.name" $root) "app.kubernetes.io/instance" $root.Release.Name "synapse/workload" . -}}
{{- $peers = append $peers (dict "podSelector" (dict "matchLabels" $labels)) -}}
{{- end -}}
{{- end -}}
{{- if .rule.metrics -}}
{{- $namespaces := dict -}}
{{- with $root.Values.networkPolicy.metricsNamespaceSelector -}}
{{- $namespaces = dict "matchLabels" . -}}
{{- end -}}
{{- $peers = append $peers (dict "namespaceSelector" $namespaces) -}}
{{- end -}}
{{- $peers = concat $peers (default list .rule.peers) -}}
{{- if or $peers .rule.anyone -}}
{{- $rule := dict -}}
{{- if $peers -}}
{{- $_ := set $rule .side $peers -}}
{{- end -}}
{{- $ports := list -}}
{{- range .rule.ports -}}
{{- $ports = append $ports (dict "port" (int .) "protocol" "TCP") -}}
{{- end -}}
{{- if $ports -}}
{{- $_ := set $rule "ports" $ports -}}
{{- end -}}
{{- list $rule | toYaml -}}
{{- end -}}
{{- end -}}

{{- define "synapse.urlPort" -}}
{{- $port := regexFind "[0-9]+" (regexFind ":[0-9]+(/|$|\\?)" (default "" .url)) -}}
{{- if $port -}}
{{- $port -}}
{{- else if hasPrefix "https://" (default "" .url) -}}
443
{{- else -}}
{{- .default -}}
{{- end -}}
{{- end -}}

{{- define "synapse.redisEgress" -}}
{{- $redis := .Values.dependencies.redis -}}
{{- if eq $redis.mode "bundled" -}}
{{- dict "to" (list "redis") "ports" (list 6379) | toYaml -}}
{{- else -}}
{{- dict "anyone" true "ports" (list (include "synapse.urlPort" (dict "url" $redis.external.url "default" 6379) | int)) | toYaml -}}
{{- end -}}
{{- end -}}

{{- define "synapse.milvusEgress" -}}
{{- $milvus := .Values.dependencies.milvus -}}
{{- if eq $milvus.mode "bundled" -}}
{{- dict "to" (list "milvus") "ports" (list 19530) | toYaml -}}
{{- else -}}
{{- dict "anyone" true "ports" (list (include "synapse.urlPort" (dict "url" $milvus.external.endpoint "default" 19530) | int)) | toYaml -}}
{{- end -}}
{{- end -}}
