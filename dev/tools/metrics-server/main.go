// The metrics-server upon the libraries of our Kubernetes, which its own main does not fit, with our settings.
package main

import (
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"sigs.k8s.io/metrics-server/pkg/api"
	definitions "sigs.k8s.io/metrics-server/pkg/api/generated/openapi"
	"sigs.k8s.io/metrics-server/pkg/scraper/client"
	"sigs.k8s.io/metrics-server/pkg/server"
)

// The shortest that the metrics-server takes: an autoscaler sees a new load so much sooner.
const resolution = 10 * time.Second

func must(err error) {
	if err != nil {
		klog.Fatal(err)
	}
}

func main() {
	kubeconfig := pflag.String("kubeconfig", "", "of the cluster whose pods are measured")
	serving := options.NewSecureServingOptions().WithLoopback()
	serving.AddFlags(pflag.CommandLine)
	pflag.Parse()

	own := genericapiserver.NewConfig(api.Codecs)
	own.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()
	must(serving.ApplyTo(&own.SecureServing, &own.LoopbackClientConfig))
	authentication := options.NewDelegatingAuthenticationOptions()
	authentication.RemoteKubeConfigFile = *kubeconfig
	must(authentication.ApplyTo(&own.Authentication, own.SecureServing, nil))
	authorization := options.NewDelegatingAuthorizationOptions()
	authorization.RemoteKubeConfigFile = *kubeconfig
	must(authorization.ApplyTo(&own.Authorization))
	namer := openapi.NewDefinitionNamer(api.Scheme)
	own.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions.GetOpenAPIDefinitions, namer)
	own.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions.GetOpenAPIDefinitions, namer)

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	must(err)
	kubelet := client.KubeletClientConfig{
		Client:              *rest.CopyConfig(config),
		AddressTypePriority: []corev1.NodeAddressType{corev1.NodeInternalIP},
		Scheme:              "https",
		UseNodeStatusPort:   true,
	}
	measured, err := server.Config{
		Apiserver: own, Rest: config, Kubelet: &kubelet, MetricResolution: resolution, ScrapeTimeout: resolution / 2,
	}.Complete()
	must(err)
	must(measured.RunUntil(genericapiserver.SetupSignalHandler()))
}
