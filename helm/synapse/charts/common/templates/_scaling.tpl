{{/*
How many pods there are. "autoscaling" is .Values.autoscaling.<c>: enabled, minReplicas, maxReplicas,
targetCPUUtilizationPercentage, keda.{enabled,...}; leave it out where there is none.

  synapse.replicas    dict "autoscaling" a "count" n  ->  `replicas: n`, nothing where an autoscaler owns the number
  synapse.hpa         dict "root" $ "component" c "workload" w "kind" "Deployment" "autoscaling" a
                      -> HorizontalPodAutoscaler, or KEDA's ScaledObject where keda.enabled; nothing where both are off
  synapse.pdb         dict "root" $ "component" c "workload" w "values" .Values.c (pdb.{enabled,minAvailable,
                      maxUnavailable}; minAvailable wins)
  synapse.rollout     Deployment strategy that takes no pod away before another is ready
*/}}
{{- define "synapse.autoscaled" -}}
{{- with .autoscaling -}}
{{- if or .enabled (default dict .keda).enabled -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- define "synapse.replicas" -}}
{{- if not (include "synapse.autoscaled" .) -}}
replicas: {{ .count | int }}
{{- end -}}
{{- end -}}

{{- define "synapse.rollout" -}}
strategy:
  type: RollingUpdate
  rollingUpdate:
    maxUnavailable: 0
    maxSurge: 1
{{- end -}}

{{- define "synapse.hpa" -}}
{{- if include "synapse.autoscaled" . -}}
{{- if (default dict .autoscaling.keda).enabled -}}
{{- include "synapse.scaledObject" . -}}
{{- else -}}
{{- $name := include "synapse.objectName" . -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "synapse.metadata" (dict "root" .root "component" .component "workload" .workload "name" $name) | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ .kind }}
    name: {{ $name }}
  minReplicas: {{ .autoscaling.minReplicas | int }}
  maxReplicas: {{ .autoscaling.maxReplicas | int }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .autoscaling.targetCPUUtilizationPercentage | int }}
  behavior:
    {{- include "synapse.scalingBehavior" . | nindent 4 }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "synapse.scalingBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  selectPolicy: Max
  policies:
    - type: Percent
      value: 100
      periodSeconds: 30
    - type: Pods
      value: 2
      periodSeconds: 30
scaleDown:
  stabilizationWindowSeconds: 300
  policies:
    - type: Pods
      value: 1
      periodSeconds: 60
{{- end -}}

{{/* KEDA refuses a fallback beside a trigger on CPU, so it takes that trigger's place. */}}
{{- define "synapse.scaledObject" -}}
{{- $name := include "synapse.objectName" . -}}
{{- $keda := .autoscaling.keda -}}
{{- $service := printf "%s-gateway" (include "synapse.fullname" .root) -}}
{{- $query := printf "sum(synapse_requests_in_flight{namespace=%q,service=%q})" .root.Release.Namespace $service -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "synapse.metadata" (dict "root" .root "component" .component "workload" .workload "name" $name) | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ .kind }}
    name: {{ $name }}
  minReplicaCount: {{ .autoscaling.minReplicas | int }}
  maxReplicaCount: {{ .autoscaling.maxReplicas | int }}
  pollingInterval: {{ default 15 $keda.pollingInterval | int }}
  cooldownPeriod: {{ default 300 $keda.cooldownPeriod | int }}
  {{- with $keda.fallbackReplicas }}
  fallback:
    failureThreshold: 4
    replicas: {{ . | int }}
  {{- end }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        {{- include "synapse.scalingBehavior" . | nindent 8 }}
  triggers:
    - type: prometheus
      metricType: AverageValue
      metadata:
        serverAddress: {{ required "autoscaling.*.keda.serverAddress: the URL of Prometheus" $keda.serverAddress | quote }}
        query: {{ default $query $keda.query | quote }}
        threshold: {{ default 100 $keda.inFlightPerReplica | toString | quote }}
      {{- with $keda.authenticationRef }}
      authenticationRef:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- if not $keda.fallbackReplicas }}
    - type: cpu
      metricType: Utilization
      metadata:
        value: {{ .autoscaling.targetCPUUtilizationPercentage | toString | quote }}
    {{- end }}
{{- end -}}

{{- define "synapse.pdb" -}}
{{- $pdb := default dict .values.pdb -}}
{{- if $pdb.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "synapse.metadata" (dict "root" .root "component" .component "workload" .workload "name" (include "synapse.objectName" .)) | nindent 2 }}
spec:
  {{- if not (has (toString $pdb.minAvailable) (list "" "<nil>")) }}
  minAvailable: {{ $pdb.minAvailable }}
  {{- else }}
  maxUnavailable: {{ ternary 1 $pdb.maxUnavailable (has (toString $pdb.maxUnavailable) (list "" "<nil>")) }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "synapse.selectorLabels" . | nindent 6 }}
{{- end -}}
{{- end -}}
