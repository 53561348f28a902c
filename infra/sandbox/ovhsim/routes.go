package ovhsim

import "net/http"

// routes is the whole API the simulator serves. docs/ovh-routes.md says what each is used for.
var routes []route

func init() {
	const (
		get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
		cart                = "/order/cart/{cartId}"
		item                = cart + "/item/{itemId}"
		order               = "/me/order/{orderId}"
		server              = "/dedicated/server/{serviceName}"
		vps                 = "/vps/{serviceName}"
		vrack               = "/vrack/{serviceName}"
		firewall            = "/ip/{ip}/firewall/{ipOnFirewall}"
		iam                 = "/v2/iam/resource/{resourceURN}"
		project             = "/cloud/project/{serviceName}"
		instances           = project + "/instance"
		databases           = project + "/database"
		postgresql          = databases + "/postgresql"
		cluster             = postgresql + "/{clusterId}"
	)
	of := func(kind string, f func(*call, string) (any, error)) func(*call) (any, error) {
		return func(c *call) (any, error) { return f(c, kind) }
	}
	routes = []route{
		{get, "/auth/time", true, (*call).authTime},
		{get, "/auth/currentCredential", false, (*call).currentCredential},
		{get, "/auth/details", false, (*call).authDetails},

		{get, "/me", false, (*call).me},
		{get, "/me/payment/method", false, (*call).listPaymentMethods},
		{get, "/me/payment/method/{paymentMethodId}", false, (*call).getPaymentMethod},
		{get, "/me/sshKey", false, (*call).listKeys},
		{post, "/me/sshKey", false, (*call).createKey},
		{get, "/me/sshKey/{keyName}", false, (*call).getKey},
		{del, "/me/sshKey/{keyName}", false, (*call).deleteKey},
		{get, "/me/notification/email/history", false, (*call).listMails},
		{get, "/me/notification/email/history/{id}", false, (*call).getMail},

		{get, "/order/catalog/public/{product}", true, (*call).catalogue},
		{get, "/dedicated/server/datacenter/availabilities", true, (*call).serverAvailabilities},
		{get, "/vps/order/rule/datacenter", true, (*call).vpsDatacenters},
		{get, "/vps/order/rule/osChoices", true, (*call).vpsOSChoices},

		{get, "/order/cart", false, (*call).listCarts},
		{post, "/order/cart", false, (*call).createCart},
		{get, cart, false, (*call).getCart},
		{put, cart, false, (*call).putCart},
		{del, cart, false, (*call).deleteCart},
		{post, cart + "/assign", false, (*call).assignCart},
		{get, cart + "/summary", false, (*call).summary},
		{get, cart + "/checkout", false, (*call).dryRun},
		{post, cart + "/checkout", false, (*call).checkout},
		{get, cart + "/item", false, (*call).listItems},
		{get, item, false, (*call).getItem},
		{del, item, false, (*call).deleteItem},
		{get, item + "/requiredConfiguration", false, (*call).requiredConfiguration},
		{get, item + "/configuration", false, (*call).listConfigurations},
		{post, item + "/configuration", false, (*call).addConfiguration},
		{get, item + "/configuration/{configurationId}", false, (*call).getConfiguration},
		{del, item + "/configuration/{configurationId}", false, (*call).deleteConfiguration},
		{get, cart + "/{product}", false, (*call).cartOffers},
		{post, cart + "/{product}", false, (*call).addItem},
		{get, cart + "/{product}/options", false, (*call).cartOptions},
		{post, cart + "/{product}/options", false, (*call).addOption},

		{get, "/me/order", false, (*call).listOrders},
		{get, order, false, (*call).getOrder},
		{get, order + "/status", false, (*call).orderStatus},
		{get, order + "/followUp", false, (*call).followUp},
		{get, order + "/details", false, (*call).orderDetails},
		{get, order + "/details/{orderDetailId}", false, (*call).orderDetail},
		{get, order + "/details/{orderDetailId}/extension", false, (*call).orderExtension},
		{get, order + "/payment", false, (*call).orderPayment},
		{get, order + "/associatedObject", false, (*call).orderObject},
		{post, order + "/pay", false, (*call).payOrder},
		{post, order + "/payWithRegisteredPaymentMean", false, (*call).payRegistered},
		{post, order + "/waiveRetraction", false, (*call).waiveRetraction},
		{post, order + "/retraction", false, (*call).retract},

		{get, "/dedicated/server", false, of(KindDedicated, (*call).names)},
		{get, server, false, (*call).getServer},
		{put, server, false, (*call).putServer},
		{get, server + "/serviceInfos", false, of(KindDedicated, (*call).infos)},
		{put, server + "/serviceInfos", false, of(KindDedicated, (*call).putInfos)},
		{post, server + "/reinstall", false, (*call).reinstall},
		{get, server + "/install/status", false, (*call).installStatus},
		{get, server + "/install/compatibleTemplates", false, (*call).compatibleTemplates},
		{get, server + "/task", false, (*call).serverTasks},
		{get, server + "/task/{taskId}", false, (*call).serverTask},
		{get, server + "/ips", false, (*call).serverIPs},
		{get, server + "/option", false, (*call).serverOptions},
		{get, server + "/networkInterfaceController", false, (*call).listControllers},
		{get, server + "/networkInterfaceController/{mac}", false, (*call).getController},
		{get, server + "/virtualNetworkInterface", false, (*call).listInterfaces},
		{get, server + "/virtualNetworkInterface/{uuid}", false, (*call).getInterface},
		{post, server + "/ola/aggregation", false, (*call).aggregate},
		{post, server + "/ola/reset", false, (*call).resetAggregate},
		{get, server + "/vrack", false, (*call).serverVracks},
		{get, server + "/boot", false, (*call).listBoots},
		{get, server + "/boot/{bootId}", false, (*call).getBoot},
		{post, server + "/reboot", false, (*call).rebootServer},
		{post, server + "/terminate", false, of(KindDedicated, (*call).terminate)},
		{post, server + "/confirmTermination", false, of(KindDedicated, (*call).confirmTermination)},

		{get, "/vps", false, of(KindVPS, (*call).names)},
		{get, vps, false, (*call).getVPS},
		{put, vps, false, (*call).putVPS},
		{get, vps + "/datacenter", false, (*call).vpsDatacenter},
		{get, vps + "/ips", false, (*call).vpsIPs},
		{get, vps + "/ips/{ipAddress}", false, (*call).getVPSIP},
		{put, vps + "/ips/{ipAddress}", false, (*call).putVPSIP},
		{get, vps + "/images/available", false, (*call).listImages},
		{get, vps + "/images/available/{id}", false, (*call).getImage},
		{get, vps + "/images/current", false, (*call).currentImage},
		{post, vps + "/rebuild", false, (*call).rebuild},
		{post, vps + "/reboot", false, (*call).rebootVPS},
		{get, vps + "/tasks", false, (*call).vpsTasks},
		{get, vps + "/tasks/{id}", false, (*call).vpsTask},
		{get, vps + "/serviceInfos", false, of(KindVPS, (*call).infos)},
		{put, vps + "/serviceInfos", false, of(KindVPS, (*call).putInfos)},
		{post, vps + "/terminate", false, of(KindVPS, (*call).terminate)},
		{post, vps + "/confirmTermination", false, of(KindVPS, (*call).confirmTermination)},

		{get, "/vrack", false, of(kindVrack, (*call).names)},
		{get, vrack, false, (*call).getVrack},
		{put, vrack, false, (*call).putVrack},
		{get, vrack + "/serviceInfos", false, (*call).vrackInfos},
		{get, vrack + "/allowedServices", false, (*call).allowedServices},
		{get, vrack + "/dedicatedServer", false, (*call).noLegacyServers},
		{get, vrack + "/dedicatedServerInterface", false, (*call).vrackInterfaces},
		{post, vrack + "/dedicatedServerInterface", false, (*call).attachInterface},
		{get, vrack + "/dedicatedServerInterface/{dedicatedServerInterface}", false, (*call).vrackInterface},
		{del, vrack + "/dedicatedServerInterface/{dedicatedServerInterface}", false, (*call).detachInterface},
		{get, vrack + "/dedicatedServerInterfaceDetails", false, (*call).vrackInterfaceDetails},
		{get, vrack + "/task", false, (*call).vrackTasks},
		{get, vrack + "/task/{taskId}", false, (*call).getVrackTask},

		{get, "/services", false, (*call).listServices},
		{get, "/services/{serviceId}", false, (*call).getService},
		{put, "/services/{serviceId}", false, (*call).putService},
		{post, "/services/{serviceId}/terminate", false, (*call).terminateService},
		{post, "/services/{serviceId}/terminate/confirm", false, (*call).confirmService},

		{get, "/ip", false, (*call).listIPs},
		{get, "/ip/{ip}", false, (*call).getIP},
		{get, "/ip/{ip}/reverse", false, (*call).listReverse},
		{post, "/ip/{ip}/reverse", false, (*call).setReverse},
		{get, "/ip/{ip}/reverse/{ipReverse}", false, (*call).getReverse},
		{del, "/ip/{ip}/reverse/{ipReverse}", false, (*call).deleteReverse},
		{get, "/ip/{ip}/firewall", false, (*call).listFirewalls},
		{post, "/ip/{ip}/firewall", false, (*call).createFirewall},
		{get, firewall, false, (*call).getFirewall},
		{put, firewall, false, (*call).putFirewall},
		{del, firewall, false, (*call).deleteFirewall},
		{get, firewall + "/rule", false, (*call).listRules},
		{post, firewall + "/rule", false, (*call).createRule},
		{get, firewall + "/rule/{sequence}", false, (*call).getRule},
		{del, firewall + "/rule/{sequence}", false, (*call).deleteRule},

		{get, project + "/flavor", false, (*call).listFlavors},
		{get, project + "/image", false, (*call).listCloudImages},
		{get, instances, false, (*call).listInstances},
		{post, instances, false, (*call).createInstance},
		{get, instances + "/{instanceId}", false, (*call).getInstance},
		{del, instances + "/{instanceId}", false, (*call).deleteInstance},

		{get, databases + "/availability", false, (*call).databaseAvailability},
		{get, postgresql, false, (*call).listDatabaseServices},
		{post, postgresql, false, (*call).createDatabaseService},
		{get, cluster, false, (*call).getDatabaseService},
		{put, cluster, false, (*call).putDatabaseService},
		{del, cluster, false, (*call).deleteDatabaseService},
		{get, cluster + "/certificates", false, (*call).databaseCertificates},
		{get, cluster + "/backup", false, (*call).listBackups},
		{get, cluster + "/backup/{backupId}", false, (*call).getBackup},
		{get, cluster + "/user", false, (*call).listDatabaseUsers},
		{post, cluster + "/user", false, (*call).createDatabaseUser},
		{get, cluster + "/user/{userId}", false, (*call).getDatabaseUser},
		{del, cluster + "/user/{userId}", false, (*call).deleteDatabaseUser},
		{post, cluster + "/user/{userId}/credentials/reset", false, (*call).resetDatabaseUser},
		{get, cluster + "/database", false, (*call).listLogical},
		{post, cluster + "/database", false, (*call).createLogical},
		{get, cluster + "/database/{databaseId}", false, (*call).getLogical},
		{del, cluster + "/database/{databaseId}", false, (*call).deleteLogical},

		{get, "/v2/iam/resource", false, (*call).listResources},
		{get, iam, false, (*call).getResource},
		{post, iam + "/tag", false, (*call).addTag},
		{del, iam + "/tag/{key}", false, (*call).deleteTag},
	}
}
