{{/*
  synapse.embed.triton  Triton Inference Server; takes the root context ($)
*/}}
{{- define "synapse.embed.triton" -}}
{{- include "synapse.embed.server" (dict "root" . "workload" "triton"
      "container" (include "synapse.embed.triton.container" .) "volumes" (include "synapse.embed.triton.volumes" .)
      "ports" (list
        (dict "name" "grpc" "port" 8001 "protocol" "grpc")
        (dict "name" "http" "port" 8000 "protocol" "http")
        (dict "name" "metrics" "port" 8002 "protocol" "http"))
      "from" (list 8001) "metrics" 8002) -}}
{{- end -}}

{{- define "synapse.embed.triton.container" -}}
{{- $values := include "synapse.embed.server.values" (dict "root" .) | fromYaml -}}
{{- $repository := $values.triton.modelRepository -}}
{{- $mounts := list (dict "name" "shm" "mountPath" "/dev/shm") -}}
{{- $place := $repository.url -}}
{{- if $repository.existingClaim -}}
{{- $place = "/models" -}}
{{- $mount := dict "name" "models" "mountPath" "/models" "readOnly" true -}}
{{- with $repository.path -}}
{{- $_ := set $mount "subPath" . -}}
{{- end -}}
{{- $mounts = append $mounts $mount -}}
{{- end -}}
{{- $place = required "embeddings.bundled.triton.modelRepository: give existingClaim or url" $place -}}
{{- $args := list "tritonserver" (printf "--model-repository=%s" $place) "--grpc-port=8001" "--http-port=8000" "--metrics-port=8002" -}}
{{- $ready := dict "httpGet" (dict "path" "/v2/health/ready" "port" "http") "timeoutSeconds" 5 -}}
{{- $live := dict "httpGet" (dict "path" "/v2/health/live" "port" "http") "timeoutSeconds" 5 -}}
{{- $probes := include "synapse.probes" (dict "values" $values.probes
      "startup" (merge (dict "periodSeconds" 5 "failureThreshold" 180) $ready)
      "readiness" (merge (dict "periodSeconds" 5 "failureThreshold" 3) $ready)
      "liveness" (merge (dict "periodSeconds" 15 "failureThreshold" 8) $live)) -}}
{{- include "synapse.container" (dict "root" . "values" $values "name" "triton" "image" $values.triton.image
      "args" (concat $args $values.extraArgs) "ports" (dict "grpc" 8001 "http" 8000 "metrics" 8002)
      "probes" $probes "preStop" 5 "mounts" (toYaml $mounts)) -}}
{{- end -}}

{{- define "synapse.embed.triton.volumes" -}}
- name: shm
  emptyDir:
    medium: Memory
    sizeLimit: {{ .Values.embeddings.bundled.triton.shmSize | quote }}
{{- with .Values.embeddings.bundled.triton.modelRepository.existingClaim }}
- name: models
  persistentVolumeClaim:
    claimName: {{ . }}
    readOnly: true
{{- end }}
{{- end -}}
