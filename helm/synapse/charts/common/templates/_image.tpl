{{/*
Images.

  synapse.image            dict "root" $ "image" .Values.x.image  ->  repository:tag, or repository@digest where given.
                           Empty tag: the chart's appVersion. global.imageRegistry takes the place of the registry, if
                           the repository names one (its first part has a dot or a port), and else stands before it.
  synapse.imagePullPolicy  the same dict; IfNotPresent where nothing is said
*/}}
{{- define "synapse.image" -}}
{{- $repository := required "an image needs a repository" .image.repository -}}
{{- $registry := (default dict .root.Values.global).imageRegistry -}}
{{- if $registry -}}
{{- $parts := splitList "/" $repository -}}
{{- if and (gt (len $parts) 1) (regexMatch "[.:]" (first $parts)) -}}
{{- $repository = join "/" (rest $parts) -}}
{{- end -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" $registry) $repository -}}
{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .root.Chart.AppVersion .image.tag | toString) -}}
{{- end -}}
{{- end -}}

{{- define "synapse.imagePullPolicy" -}}
{{- default "IfNotPresent" .image.pullPolicy -}}
{{- end -}}
