#include "tests/unit/support/canned_site.h"

#include <string.h>

#include "tests/unit/support/cmocka_all.h"

struct plan_fixture canned_site_plan(void)
{
    return fixture_check_vms(
        "  db:\n"
        "    source: /DC0/vm/db\n"
        "    instance_type: [m6i.large, m5.large]\n"
        "    nics: [{subnet: db, security_groups: [db], private_ip: 10.20.2.10}]\n"
        "    key_name: dr\n"
        "    elastic_ip: {production: eipalloc-1}\n"
        "  web:\n"
        "    source: /DC0/vm/web\n"
        "    instance_type: m6i.large\n"
        "    subnet: app\n"
        "    depends_on: [db]\n");
}

#define TAG(key, value) "<item><key>" key "</key><value>" value "</value></item>"
#define COPY(id, vm, disk, more)                                                                   \
    "<item><snapshotId>" id "</snapshotId><status>completed</status><volumeSize>8</volumeSize>"    \
    "<tagSet>" TAG("drc:role", "dr-copy") TAG("drc:vm", vm) TAG("drc:disk", disk)                  \
        TAG("drc:recovery-point", "2026-11-22T09:45:00Z") more "</tagSet></item>"
#define BOOT(n)                                                                                    \
    TAG("drc:disks", n)                                                                            \
    TAG("drc:cpus", "2") TAG("drc:memory-mib", "4096") TAG("drc:firmware", "bios")                 \
        TAG("drc:os", "linux") TAG("drc:arch", "x86_64")
#define TYPE(name)                                                                                 \
    "<item><instanceType>" name "</instanceType><vCpuInfo><defaultVCpus>2</defaultVCpus>"          \
    "</vCpuInfo><memoryInfo><sizeInMiB>8192</sizeInMiB></memoryInfo><processorInfo>"               \
    "<supportedArchitectures><item>x86_64</item></supportedArchitectures></processorInfo>"         \
    "<supportedBootModes><item>legacy-bios</item><item>uefi</item></supportedBootModes>"           \
    "<networkInfo><maximumNetworkInterfaces>3</maximumNetworkInterfaces></networkInfo></item>"
#define OFFER(name, zone)                                                                          \
    "<item><instanceType>" name "</instanceType><location>" zone "</location></item>"
#define DRY_RUN                                                                                    \
    "<Response><Errors><Error><Code>DryRunOperation</Code><Message>Request would have succeeded"   \
    "</Message></Error></Errors><RequestID>q</RequestID></Response>"

static const struct canned_answer site[] = {
    {"Action=GetCallerIdentity",
     .body = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:"
             "user/drc</Arn><Account>111122223333</Account></GetCallerIdentityResult>"
             "</GetCallerIdentityResponse>"},
    {"Action=DescribeSnapshots",
     .body = "<DescribeSnapshotsResponse><snapshotSet>" COPY("snap-1", "db", "0", BOOT("2"))
         COPY("snap-2", "db", "1", "")
             COPY("snap-3", "web", "0", BOOT("1")) "</snapshotSet>"
                                                   "</DescribeSnapshotsResponse>"},
    {"Action=DescribeInstanceTypes&",
     .body = "<DescribeInstanceTypesResponse><instanceTypeSet>" TYPE("m6i.large")
         TYPE("m5.large") "</instanceTypeSet></DescribeInstanceTypesResponse>"},
    {"Action=DescribeInstanceTypeOfferings",
     .body = "<DescribeInstanceTypeOfferingsResponse><instanceTypeOfferingSet>" OFFER(
         "m6i.large", "eu-west-1b") OFFER("m6i.large", "eu-west-1a")
         OFFER("m5.large",
               "eu-west-1a") "</instanceTypeOfferingSet></DescribeInstanceTypeOfferingsResponse>"},
    {"Filter.1.Name=image-id&Filter.1.Value.1=ami-1",
     .body = "<DescribeImagesResponse><imagesSet><item><imageId>ami-1</imageId><rootDeviceName>"
             "/dev/xvda</rootDeviceName><architecture>x86_64</architecture></item></imagesSet>"
             "</DescribeImagesResponse>"},
    {"Filter.1.Name=image-id&Filter.1.Value.1=ami-2",
     .body = "<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>"},
    {"Action=DescribeSubnets",
     .body =
         "<DescribeSubnetsResponse><subnetSet><item><subnetId>subnet-1</subnetId><vpcId>vpc-1"
         "</vpcId><cidrBlock>10.20.1.0/24</cidrBlock><availabilityZone>eu-west-1a"
         "</availabilityZone><availableIpAddressCount>250</availableIpAddressCount></item><item>"
         "<subnetId>subnet-2</subnetId><vpcId>vpc-1</vpcId><cidrBlock>10.20.2.0/24</cidrBlock>"
         "<availabilityZone>eu-west-1a</availabilityZone><availableIpAddressCount>1"
         "</availableIpAddressCount></item></subnetSet></DescribeSubnetsResponse>"},
    {"Filter.1.Name=instance-id&Filter.1.Value.1=i-1",
     .body = "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-1"
             "</instanceId><instanceType>m6i.xlarge</instanceType><instanceState><name>running"
             "</name></instanceState><placement><availabilityZone>eu-west-1a</availabilityZone>"
             "</placement><blockDeviceMapping><item><deviceName>/dev/xvda</deviceName></item><item>"
             "<deviceName>/dev/sdm</deviceName></item></blockDeviceMapping></item></instancesSet>"
             "</item></reservationSet></DescribeInstancesResponse>"},
    {"Action=DescribeVpcs",
     .body = "<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet>"
             "</DescribeVpcsResponse>"},
    {"Action=DescribeSecurityGroups",
     .body = "<DescribeSecurityGroupsResponse><securityGroupInfo><item><groupId>sg-1</groupId>"
             "<vpcId>vpc-1</vpcId></item><item><groupId>sg-2</groupId><vpcId>vpc-1</vpcId></item>"
             "</securityGroupInfo></DescribeSecurityGroupsResponse>"},
    {"addresses.private-ip-address&Filter.1.Value.1=10.20.2.10",
     .body = "<DescribeNetworkInterfacesResponse><networkInterfaceSet/>"
             "</DescribeNetworkInterfacesResponse>"},
    {"Filter.1.Name=key-name&Filter.1.Value.1=dr",
     .body = "<DescribeKeyPairsResponse><keySet><item><keyName>dr</keyName></item></keySet>"
             "</DescribeKeyPairsResponse>"},
    {"Filter.1.Name=allocation-id&Filter.1.Value.1=eipalloc-1",
     .body =
         "<DescribeAddressesResponse><addressesSet><item><allocationId>eipalloc-1</allocationId>"
         "<publicIp>192.0.2.7</publicIp></item></addressesSet></DescribeAddressesResponse>"},
    {"ServiceQuotasV20190624.GetServiceQuota", .body = "{\"Quota\":{\"Value\":32.0}}"},
    {"AmazonSSM.DescribeInstanceInformation",
     .body = "{\"InstanceInformationList\":[{\"InstanceId\":\"i-1\",\"PingStatus\":\"Online\"}]}"},
    {"Action=CreateVolume", .status = 412, .body = DRY_RUN},
    {"Action=RunInstances", .status = 412, .body = DRY_RUN},
};

struct canned_answer *canned_site(struct arena *arena, const char *expect, int status,
                                  const char *body, size_t *count)
{
    *count = CANNED_COUNT(site);
    struct canned_answer *answers = ARENA_ARRAY(arena, struct canned_answer, *count);
    bool replaced = expect == NULL;
    for (size_t i = 0; i < *count; i++) {
        answers[i] = site[i];
        answers[i].any_order = true;
        if (expect && strstr(site[i].expect, expect)) {
            answers[i].status = status;
            answers[i].body = body;
            replaced = true;
        }
    }
    assert_true(replaced);
    return answers;
}
