package pod

// The types below are the part of Kubernetes' core/v1 that havre's pods use, with the API's own names. They are plain so that a golden shows a pod as the
// API server gets it.

// Spec is a PodSpec.
type Spec struct {
	AutomountServiceAccountToken  bool              `json:"automountServiceAccountToken"`
	Containers                    []Container       `json:"containers"`
	DNSPolicy                     string            `json:"dnsPolicy,omitempty"`
	EnableServiceLinks            bool              `json:"enableServiceLinks"`
	HostNetwork                   bool              `json:"hostNetwork,omitempty"`
	InitContainers                []Container       `json:"initContainers,omitempty"`
	NodeSelector                  map[string]string `json:"nodeSelector,omitempty"`
	PriorityClassName             string            `json:"priorityClassName,omitempty"`
	RestartPolicy                 string            `json:"restartPolicy"`
	SecurityContext               SecurityContext   `json:"securityContext"`
	ServiceAccountName            string            `json:"serviceAccountName,omitempty"`
	TerminationGracePeriodSeconds int               `json:"terminationGracePeriodSeconds"`
	Tolerations                   []TolerationSpec  `json:"tolerations,omitempty"`
	TopologySpreadConstraints     []Spread          `json:"topologySpreadConstraints,omitempty"`
	Volumes                       []VolumeSpec      `json:"volumes,omitempty"`
}

// SecurityContext is a PodSecurityContext.
type SecurityContext struct {
	FSGroup        int            `json:"fsGroup,omitempty"`
	RunAsGroup     int            `json:"runAsGroup"`
	RunAsNonRoot   bool           `json:"runAsNonRoot"`
	RunAsUser      int            `json:"runAsUser"`
	SeccompProfile SeccompProfile `json:"seccompProfile"`
}

// SeccompProfile names the seccomp profile.
type SeccompProfile struct {
	Type string `json:"type"`
}

// Container is a Container.
type Container struct {
	Command         []string                 `json:"command"`
	Env             []EnvVar                 `json:"env,omitempty"`
	Image           string                   `json:"image"`
	ImagePullPolicy string                   `json:"imagePullPolicy"`
	LivenessProbe   *ProbeSpec               `json:"livenessProbe,omitempty"`
	Name            string                   `json:"name"`
	Ports           []ContainerPort          `json:"ports,omitempty"`
	ReadinessProbe  *ProbeSpec               `json:"readinessProbe,omitempty"`
	Resources       ResourceRequirements     `json:"resources"`
	SecurityContext ContainerSecurityContext `json:"securityContext"`
	StartupProbe    *ProbeSpec               `json:"startupProbe,omitempty"`
	VolumeMounts    []VolumeMount            `json:"volumeMounts,omitempty"`
}

// ContainerSecurityContext is a container's SecurityContext.
type ContainerSecurityContext struct {
	AllowPrivilegeEscalation bool         `json:"allowPrivilegeEscalation"`
	Capabilities             Capabilities `json:"capabilities"`
	ReadOnlyRootFilesystem   bool         `json:"readOnlyRootFilesystem"`
}

// Capabilities are Linux capabilities.
type Capabilities struct {
	Add  []string `json:"add,omitempty"`
	Drop []string `json:"drop"`
}

// EnvVar is an EnvVar.
type EnvVar struct {
	Name      string        `json:"name"`
	Value     string        `json:"value,omitempty"`
	ValueFrom *EnvVarSource `json:"valueFrom,omitempty"`
}

// EnvVarSource is an EnvVarSource.
type EnvVarSource struct {
	FieldRef     *FieldRef     `json:"fieldRef,omitempty"`
	SecretKeyRef *SecretKeyRef `json:"secretKeyRef,omitempty"`
}

// FieldRef is an ObjectFieldSelector.
type FieldRef struct {
	FieldPath string `json:"fieldPath"`
}

// SecretKeyRef is a SecretKeySelector.
type SecretKeyRef struct {
	Key  string `json:"key"`
	Name string `json:"name"`
}

// ContainerPort is a ContainerPort.
type ContainerPort struct {
	ContainerPort int    `json:"containerPort"`
	HostPort      int    `json:"hostPort,omitempty"`
	Name          string `json:"name"`
	Protocol      string `json:"protocol"`
}

// ProbeSpec is a Probe.
type ProbeSpec struct {
	FailureThreshold int     `json:"failureThreshold"`
	HTTPGet          HTTPGet `json:"httpGet"`
	PeriodSeconds    int     `json:"periodSeconds"`
	TimeoutSeconds   int     `json:"timeoutSeconds"`
}

// HTTPGet is an HTTPGetAction.
type HTTPGet struct {
	Host   string `json:"host,omitempty"`
	Path   string `json:"path"`
	Port   string `json:"port"`
	Scheme string `json:"scheme"`
}

// ResourceRequirements is a ResourceRequirements.
type ResourceRequirements struct {
	Limits   map[string]string `json:"limits"`
	Requests map[string]string `json:"requests"`
}

// VolumeMount is a VolumeMount.
type VolumeMount struct {
	MountPath string `json:"mountPath"`
	Name      string `json:"name"`
	ReadOnly  bool   `json:"readOnly,omitempty"`
}

// VolumeSpec is a Volume.
type VolumeSpec struct {
	ConfigMap *ConfigMapSource `json:"configMap,omitempty"`
	EmptyDir  *EmptyDirSource  `json:"emptyDir,omitempty"`
	HostPath  *HostPathSource  `json:"hostPath,omitempty"`
	Name      string           `json:"name"`
	Secret    *SecretSource    `json:"secret,omitempty"`
}

// ConfigMapSource is a ConfigMapVolumeSource.
type ConfigMapSource struct {
	DefaultMode int    `json:"defaultMode"`
	Name        string `json:"name"`
}

// SecretSource is a SecretVolumeSource.
type SecretSource struct {
	DefaultMode int    `json:"defaultMode"`
	Optional    bool   `json:"optional,omitempty"`
	SecretName  string `json:"secretName"`
}

// EmptyDirSource is an EmptyDirVolumeSource.
type EmptyDirSource struct {
	Medium    string `json:"medium,omitempty"`
	SizeLimit string `json:"sizeLimit"`
}

// HostPathSource is a HostPathVolumeSource.
type HostPathSource struct {
	Path string `json:"path"`
	Type string `json:"type"`
}

// TolerationSpec is a Toleration.
type TolerationSpec struct {
	Effect   string `json:"effect,omitempty"`
	Key      string `json:"key,omitempty"`
	Operator string `json:"operator"`
	Value    string `json:"value,omitempty"`
}

// Spread is a TopologySpreadConstraint.
type Spread struct {
	LabelSelector     LabelSelector `json:"labelSelector"`
	MatchLabelKeys    []string      `json:"matchLabelKeys"`
	MaxSkew           int           `json:"maxSkew"`
	NodeTaintsPolicy  string        `json:"nodeTaintsPolicy"`
	TopologyKey       string        `json:"topologyKey"`
	WhenUnsatisfiable string        `json:"whenUnsatisfiable"`
}

// LabelSelector is a LabelSelector of plain labels.
type LabelSelector struct {
	MatchLabels map[string]string `json:"matchLabels"`
}
