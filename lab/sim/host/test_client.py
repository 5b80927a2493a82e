# SPDX-License-Identifier: MIT
"""A small scheduler on python3-libvirt, with libvirt's event loop in a thread of its own."""
import threading
import time

import libvirt

stopped = False


def run_events():
    while not stopped:
        libvirt.virEventRunDefaultImpl()


def on_lifecycle(_conn, domain, event, _detail, _opaque):
    print(f"event {domain.name()} {event}")


libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=run_events, daemon=True).start()
conn = libvirt.open("qemu:///system")
conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, on_lifecycle, None)
pcpus = conn.getInfo()[2]
for tick in range(5):
    for number, domain in enumerate(sorted(conn.listAllDomains(), key=lambda d: d.name())):
        domain.pinVcpu(0, tuple(i == number % pcpus for i in range(pcpus)))
    stats = conn.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_VCPU)
    busy = sum(s["vcpu.0.time"] for _, s in stats)
    print(f"tick {tick} at {time.time() - 1767225600:.1f} guests {len(stats)} busy {busy}")
    time.sleep(2)
try:
    domain.setMemory(1 << 40)
except libvirt.libvirtError as error:
    print(f"error {error.get_error_code()}: {error}")
