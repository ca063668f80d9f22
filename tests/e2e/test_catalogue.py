"""The built-in catalogue of instance types has EC2's figures, as moto's copy of
DescribeInstanceTypes has them."""
import gzip
import json
import pathlib
import re

import moto

from e2e_drc import ROOT

ROW = re.compile(r'^INSTANCE_TYPE\("(\S+)", (\d+), (\d+), (\w+), ([01]), ([01]), (\d+), (\d+), (\w+)\)$')


def catalogue():
    text = (ROOT / "compiler/graph/instance_type.def").read_text()
    rows = [line for line in text.splitlines() if line.startswith("INSTANCE_TYPE(")]
    return [ROW.match(line).groups() for line in rows]


def figures(described):
    modes = described["SupportedBootModes"]
    return (
        described["InstanceType"],
        str(described["VCpuInfo"]["DefaultVCpus"]),
        str(described["MemoryInfo"]["SizeInMiB"]),
        next(a for a in described["ProcessorInfo"]["SupportedArchitectures"] if a != "i386"),
        str(int("legacy-bios" in modes)),
        str(int("uefi" in modes)),
        str(described["NetworkInfo"]["MaximumNetworkInterfaces"]),
        str(described["EbsInfo"]["MaximumEbsAttachments"]),
        described["EbsInfo"]["AttachmentLimitType"].upper(),
    )


def test_figures_are_those_of_ec2():
    packed = pathlib.Path(moto.__file__).parent / "ec2/resources/instance_types.json.gz"
    known = json.loads(gzip.decompress(packed.read_bytes()))
    rows = catalogue()
    assert len(rows) > 500
    for row in rows:
        assert row == figures(known[row[0]])
