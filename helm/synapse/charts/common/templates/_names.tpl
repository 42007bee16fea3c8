{{/*
Names and addresses. All take the root context ($) unless a dict is shown.

  synapse.name            app.kubernetes.io/name
  synapse.fullname        prefix of every object: the release's name if it contains "synapse", else release-synapse
  synapse.objectName      dict "root" $ "component" "embeddings" "workload" "tei"  ->  <full>-embeddings-tei
                          (component and workload alike: <full>-gateway)
  synapse.host            dict "root" $ "service" "proxy"  ->  <full>-proxy.<namespace>.svc.<cluster domain>
  synapse.serviceAccountName  dict "root" $ "component" c "workload" w "values" .Values.c
  synapse.tlsSecretName   Secret of the mesh's certificates; empty without mtls.enabled. Not <full>-tls, which is what an
                          Ingress likes to call its own.
*/}}
{{- define "synapse.name" -}}
{{- default "synapse" .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "synapse.fullname" -}}
{{- $name := include "synapse.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "synapse.objectName" -}}
{{- $full := include "synapse.fullname" .root -}}
{{- if eq .component .workload -}}
{{- printf "%s-%s" $full .component -}}
{{- else -}}
{{- printf "%s-%s-%s" $full .component .workload -}}
{{- end -}}
{{- end -}}

{{- define "synapse.host" -}}
{{- $domain := default "cluster.local" (default dict .root.Values.global).clusterDomain -}}
{{- printf "%s-%s.%s.svc.%s" (include "synapse.fullname" .root) .service .root.Release.Namespace $domain -}}
{{- end -}}

{{- define "synapse.serviceAccountName" -}}
{{- $account := default dict .values.serviceAccount -}}
{{- if $account.name -}}
{{- $account.name -}}
{{- else if $account.create -}}
{{- include "synapse.objectName" . -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{- define "synapse.tlsSecretName" -}}
{{- $mtls := default dict .Values.mtls -}}
{{- if $mtls.enabled -}}
{{- default (printf "%s-mesh-tls" (include "synapse.fullname" .)) $mtls.existingSecret -}}
{{- end -}}
{{- end -}}
