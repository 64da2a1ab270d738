{{/* Names are the same whatever the release is called: Roles in tenants' namespaces and the guides rely on them. */}}
{{- define "keywright.labels" -}}
app.kubernetes.io/name: keywright
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end }}

{{- define "keywright.subject" -}}
- kind: ServiceAccount
  name: keywright
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "keywright.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{- define "keywright.port" -}}
{{ .Values.operator.httpAddress | default "0.0.0.0:8080" | splitList ":" | last }}
{{- end }}

{{/* Empty where /metrics is served on the loopback address alone. */}}
{{- define "keywright.metricsPort" -}}
{{- with .Values.operator -}}
{{- if or (ne .metricsAuth "none") .metricsAddress -}}
{{ .metricsAddress | default "0.0.0.0:8443" | splitList ":" | last }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the operator does in a namespace: a ClusterRole for all of them, a Role in each of a list. */}}
{{- define "keywright.rules" -}}
- apiGroups: [keywright.dev]
  resources: [credentialsources, apikeygrants]
  verbs: [get, list, watch]
- apiGroups: [keywright.dev]
  resources: [apikeygrants]
  verbs: [patch]
- apiGroups: [keywright.dev]
  resources: [credentialsources/status, apikeygrants/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get]
{{- end }}

{{- define "keywright.eventRules" -}}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{/* The kubelet expands KUBERNETES_SERVICE_HOST: the API server is in the cluster. */}}
{{- define "keywright.proxyVariables" -}}
{{- with .Values.proxy }}
{{- if or .https .http }}
{{- with .https }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .http }}
- name: HTTP_PROXY
  value: {{ . | quote }}
{{- end }}
- name: NO_PROXY
  value: {{ printf "%s,%s" "$(KUBERNETES_SERVICE_HOST),localhost,.svc,.cluster.local" .noProxy | trimSuffix "," | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The port of a URL: the explicit one, or the default of its scheme. */}}
{{- define "keywright.portOfUrl" -}}
{{- $url := urlParse . }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- $port | default (eq $url.scheme "https" | ternary "443" "80") }}
{{- end }}

{{/* JSON, so that ports of the list and of the proxy are compared as numbers. */}}
{{- define "keywright.egressPorts" -}}
{{- $ports := list }}
{{- range .Values.networkPolicy.egressPorts }}
{{- $ports = append $ports (int .) }}
{{- end }}
{{- range compact (list .Values.proxy.https .Values.proxy.http) }}
{{- $ports = append $ports (include "keywright.portOfUrl" . | int) }}
{{- end }}
{{- uniq $ports | toJson }}
{{- end }}

{{- define "keywright.arguments" -}}
- run
- --metrics-auth={{ .Values.operator.metricsAuth }}
{{- with .Values.operator.metricsAddress }}
- {{ printf "--metrics-address=%s" . | quote }}
{{- end }}
{{- range sortAlpha .Values.namespaces }}
- --namespace={{ . }}
{{- end }}
{{- if ne .Values.docsUrl "https://docs.keywright.dev" }}
- --docs-url={{ .Values.docsUrl }}
{{- end }}
{{- with .Values.operator }}
{{- with .logLevel }}
- --log-level={{ . }}
{{- end }}
{{- with .logFormat }}
- --log-format={{ . }}
{{- end }}
{{- with .traces }}
- --traces={{ . }}
{{- end }}
{{- with .workers }}
- --workers={{ . }}
{{- end }}
{{- with .cloudThreads }}
- --cloud-threads={{ . }}
{{- end }}
{{- with .apiGatewayQuotaShare }}
- --api-gateway-quota-share={{ . }}
{{- end }}
{{- with .leaseSeconds }}
- --lease-seconds={{ . }}
{{- end }}
{{- with .metricsCertDir }}
- {{ printf "--metrics-cert-dir=%s" . | quote }}
{{- end }}
{{- with .httpAddress }}
- {{ printf "--http-address=%s" . | quote }}
{{- end }}
{{- with .minKeyLifetime }}
- --min-key-lifetime={{ . }}
{{- end }}
{{- with .revokeTimeout }}
- --revoke-timeout={{ . }}
{{- end }}
{{- with .verifyInterval }}
- --verify-interval={{ . }}
{{- end }}
{{- with .verifySpread }}
- --verify-spread={{ . }}
{{- end }}
{{- with .sweepSeconds }}
- --sweep-seconds={{ . }}
{{- end }}
{{- if .allowAmbient }}
- --allow-ambient
{{- end }}
{{- with .secretReferences }}
- --secret-references={{ . }}
{{- end }}
{{- range .allowCredentialsUris }}
- {{ printf "--allow-credentials-uri=%s" . | quote }}
{{- end }}
{{- range .allowStsEndpoints }}
- {{ printf "--allow-sts-endpoint=%s" . | quote }}
{{- end }}
{{- range .allowTokenEndpoints }}
- {{ printf "--allow-token-endpoint=%s" . | quote }}
{{- end }}
{{- range .allowProbeUrls }}
- {{ printf "--allow-probe-url=%s" . | quote }}
{{- end }}
{{- end }}
{{- end }}
