// A control plane on go-control-plane's snapshot cache, for comparison with ours: SERVICES clusters with 10 endpoints each,
// all nodes in one group. Prints its port; each line on stdin changes one endpoint.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const endpointsPerService = 10

// oneGroup gives all nodes the same snapshot: the cache is asked to do nothing twice.
type oneGroup struct{}

func (oneGroup) ID(*core.Node) string { return "all" }

func name(i int) string { return fmt.Sprintf("service-%04d", i) }

func makeCluster(i int) types.Resource {
	return &cluster.Cluster{
		Name:                 name(i),
		ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
		EdsClusterConfig: &cluster.Cluster_EdsClusterConfig{EdsConfig: &core.ConfigSource{
			ConfigSourceSpecifier: &core.ConfigSource_Ads{Ads: &core.AggregatedConfigSource{}},
			ResourceApiVersion:    core.ApiVersion_V3,
		}},
		ConnectTimeout: durationpb.New(time.Second),
	}
}

func makeEndpoints(i int, shift int) types.Resource {
	list := make([]*endpoint.LbEndpoint, endpointsPerService)
	for k := range list {
		port := uint32(8000 + k)
		if k == 0 {
			port += uint32(1000 + shift)
		}
		list[k] = &endpoint.LbEndpoint{
			LoadBalancingWeight: wrapperspb.UInt32(1),
			HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{
				Address: &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
					Address:       fmt.Sprintf("10.%d.%d.%d", i/250, i%250, k+1),
					PortSpecifier: &core.SocketAddress_PortValue{PortValue: port},
				}}},
			}},
		}
	}
	return &endpoint.ClusterLoadAssignment{
		ClusterName: name(i),
		Endpoints: []*endpoint.LocalityLbEndpoints{{
			Locality:            &core.Locality{Zone: "a"},
			LoadBalancingWeight: wrapperspb.UInt32(endpointsPerService),
			LbEndpoints:         list,
		}},
	}
}

func main() {
	services, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	clusters := make([]types.Resource, services)
	endpoints := make([]types.Resource, services)
	for i := range services {
		clusters[i] = makeCluster(i)
		endpoints[i] = makeEndpoints(i, 0)
	}
	snapshots := cache.NewSnapshotCache(true, oneGroup{}, nil)
	set := func(version int) {
		snapshot, err := cache.NewSnapshot(strconv.Itoa(version), map[resource.Type][]types.Resource{
			resource.ClusterType: clusters, resource.EndpointType: endpoints,
		})
		if err == nil {
			// Only endpoints change: as who knows what changed would do it.
			snapshot.Resources[types.Cluster].Version = "0"
			err = snapshots.SetSnapshot(context.Background(), "all", snapshot)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	set(0)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	grpcServer := grpc.NewServer(
		grpc.MaxConcurrentStreams(1000000),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	)
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, server.NewServer(context.Background(), snapshots, nil))
	go grpcServer.Serve(listener)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	lines := bufio.NewScanner(os.Stdin)
	for version := 1; lines.Scan(); version++ {
		changed := services / 2
		endpoints[changed] = makeEndpoints(changed, version)
		set(version)
	}
}
