/* The plan whose site the fuzzers of services stand on; their corpora name what is in it. */
#ifndef DRC_TESTS_FUZZ_PLAN_TEXT_H
#define DRC_TESTS_FUZZ_PLAN_TEXT_H

/* FUZZ_PLAN(MORE): as a literal, with more VMs beside db (", web: {…}"). */
#define FUZZ_PLAN(MORE)                                                                            \
    "version: 1\nname: shop\nobjectives: {rpo: 30m, rto: 20m}\n"                                   \
    "sites: {recovery: {aws: {region: eu-west-1, account: \"111122223333\", "                      \
    "placeholder_image: {bios: ami-0c000000000000001, uefi: ami-0c000000000000002}, "              \
    "conversion: {instances: {eu-west-1a: i-0f00ba40000000000}}}}}\n"                              \
    "networks: {production: {vpc: vpc-0a000000000000001, subnets: {app: "                          \
    "{id: subnet-0a00000000000000a, cidr: 10.20.1.0/24, zone: eu-west-1a}}, "                      \
    "security_groups: {web: sg-0a000000000000001}}}\n"                                             \
    "vms: {db: {source: /DC0/vm/db, instance_type: r6i.xlarge, subnet: app, "                      \
    "security_groups: [web]}" MORE "}\n"

#endif
