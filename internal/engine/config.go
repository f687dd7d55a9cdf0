package engine

import (
	"fmt"
	"net"

	"github.com/google/uuid"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"

	"nightshift/internal/heldport"
)

// clusterName is written into the file: it must never change.
const clusterName = "active"

// storage says how the server opens the file. The values decide the connection's identity in the server's pool, which keeps
// a file open until the process ends: whoever opens it must ask with the same ones.
func storage(o Options) *config.SQL {
	attributes := map[string]string{
		"mode":         "rw",
		"journal_mode": "wal",
		// A tool that cuts the power must survive that: every commit reaches the disk.
		"synchronous":  "full",
		"busy_timeout": "5000",
	}
	if o.Unsafe {
		attributes["synchronous"] = "normal"
	}
	for k, v := range o.pragmas {
		attributes[k] = v
	}
	return &config.SQL{
		PluginName:        sqliteplugin.PluginName,
		DatabaseName:      escape(o.Dir.Database()),
		ConnectAttributes: attributes,
		// More connections are slower and run into one another's locks.
		MaxConns: 1, MaxIdleConns: 1,
	}
}

func serverConfig(o Options, p *ports) *config.Config {
	frontend := p.frontend.Addr().String()
	c := new(config.Config)
	c.Global.Membership.BroadcastAddress = o.IP
	c.Global.Membership.MaxJoinDuration = startTime / 2 // nobody joins here; services get twice as long to come up
	c.Persistence = config.Persistence{
		DefaultStore: "default", VisibilityStore: "default",
		NumHistoryShards: 1, // for the file's whole life
		DataStores:       map[string]config.DataStore{"default": {SQL: storage(o)}},
	}
	c.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10, MasterClusterName: clusterName, CurrentClusterName: clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {
			Enabled: true, InitialFailoverVersion: 1, RPCAddress: frontend,
			ClusterID: uuid.NewString(), // used once: an existing file keeps its own
		}},
	}
	c.DCRedirectionPolicy.Policy = "noop"
	// No HTTP port: the UI speaks gRPC, and a web page could reach it.
	c.Services = map[string]config.Service{}
	for name, l := range p.byService() {
		c.Services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: heldport.Number(l), BindOnIP: o.IP}}
	}
	c.Archival.History.State, c.Archival.Visibility.State = "disabled", "disabled"
	c.NamespaceDefaults.Archival.History.State, c.NamespaceDefaults.Archival.Visibility.State = "disabled", "disabled"
	c.PublicClient.HostPort = frontend
	return c
}

func (p *ports) byService() map[primitives.ServiceName]net.Listener {
	return map[primitives.ServiceName]net.Listener{
		primitives.FrontendService: p.frontend, primitives.HistoryService: p.history,
		primitives.MatchingService: p.matching, primitives.WorkerService: p.worker,
	}
}

// staticHosts: one process needs no gossip to find itself.
func (p *ports) staticHosts() map[primitives.ServiceName]static.Hosts {
	hosts := make(map[primitives.ServiceName]static.Hosts)
	for name, l := range p.byService() {
		hosts[name] = static.SingleLocalHost(l.Addr().String())
	}
	return hosts
}

// dynamicConfig is what a server for one lab needs otherwise than a cluster for thousands.
func dynamicConfig() dynamicconfig.StaticClient {
	c := dynamicconfig.StaticClient{
		// One worker, one queue: partitions would only forward to each other.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,
		// No other tenant is to be protected from this one.
		dynamicconfig.FrontendPersistenceMaxQPS.Key():                    10000,
		dynamicconfig.HistoryPersistenceMaxQPS.Key():                     45000,
		dynamicconfig.MatchingPersistenceMaxQPS.Key():                    10000,
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 100,
		// Attributes that are added to an older file are usable at once.
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): true,
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key():            2048,
		// Steps that end while a run decides are kept back until it has. The default of 100 of them is reached where hundreds
		// are under way and a decision takes a second: Temporal takes the decision away then, and the run is replayed.
		dynamicconfig.MaximumBufferedEventsBatch.Key():       5000,
		dynamicconfig.MaximumBufferedEventsSizeInBytes.Key(): 16 << 20,
	}
	// The default of 20 polls a second caps a sequential run at 20 steps a second.
	for _, queue := range []string{"transfer", "timer", "visibility", "outbound"} {
		c[dynamicconfig.MakeKey(fmt.Sprintf("history.%sProcessorMaxPollRPS", queue))] = 1000
	}
	return c
}
