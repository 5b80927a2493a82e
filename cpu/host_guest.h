/* SPDX-License-Identifier: MIT */
/* What is known of a guest between ticks, and how it is read and pinned. Private to host.c. */
#ifndef BALLAST_CPU_HOST_GUEST_H
#define BALLAST_CPU_HOST_GUEST_H

#include "backoff.h"
#include "host.h"
#include "host_pcpus.h"
#include "xml.h"

struct guest {
	unsigned char uuid[VIR_UUID_BUFLEN];
	unsigned int id; /* libvirt's, another at each start */
	char *name;
	struct xml_guest policy;
	unsigned int nvcpus; /* maximum */
	size_t maplen;
	unsigned char *affinity; /* [nvcpus] maps of maplen bytes: what it is, as far as is known */
	int *pinned;		 /* [nvcpus] the pCPU's id, or CPU_FLOATING */
	int *ours;	 /* [nvcpus] where we pinned it last, or tried to; CPU_FLOATING: nowhere */
	char **original; /* [nvcpus] the affinity without us, as others set it last */
	bool *announced; /* [nvcpus] we pin it, or did */
	unsigned char *allowed;	   /* [nvcpus] maps of maplen bytes, with respect_pins; else NULL */
	unsigned char *cpuset;	   /* pCPUs that the kernel lets it run on, as far as is known */
	bool confined;		   /* that is not all there are */
	unsigned char *told;	   /* what was said of it last */
	unsigned char *places;	   /* [nvcpus] maps: affinities as the kernel had them last */
	unsigned char *may;	   /* [nvcpus] maps of where they may be put; NULL: anywhere */
	int process;		   /* its QEMU's on this machine; 0: not known */
	bool left_alone;	   /* others pin it, which is to be respected */
	bool stale;		   /* its affinity must be read again … */
	bool outdated;		   /* … and its policy */
	bool unsaved;		   /* what is to be put back is other than was saved */
	bool seen;		   /* in this sample */
	struct backoff *pins;	   /* [nvcpus] of those that failed */
	struct call *left;	   /* a pin that nobody waits for any more; NULL: none */
	unsigned long failed_tick; /* the last in which a call on the guest was given up */
};

/* What all guests have in common. */
struct guest_env {
	const struct host_options *options;
	const struct saved *earlier;
	const struct host_pcpus *pcpus;
	struct wire *wire;
};

/*
 * All that is asked about a guest once: four calls at its appearance. 0; −1 after saying why with
 * -v, and nothing in *guest.
 */
int guest_read(const struct guest_env *env, const virDomainStatsRecord *record,
	       struct guest *guest);
void guest_clear(const struct guest_env *env, struct guest *guest);

/* What is set for it, by its definition or live. 0, −1 with the error in env->wire. */
int guest_read_policy(const struct guest_env *env, virDomainPtr dom, struct guest *guest);

/* Takes over what somebody else made of its affinity, and says so once. */
void guest_read_affinity(const struct guest_env *env, virDomainPtr dom, struct guest *guest);

/*
 * Looks whether the kernel lets it run elsewhere than before; ask: by a call of libvirt, where
 * nothing quicker tells. True if so; its affinity is stale then.
 */
bool guest_look_at_cpuset(const struct guest_env *env, virDomainPtr dom, struct guest *guest,
			  bool ask);

/*
 * Does that part of an event say that an affinity was set that is not the one we know of? Our own
 * pins are known before they are made.
 */
bool guest_is_foreign_pin(const struct guest *guest, const virTypedParameter *param);

/* Makes one pin. 0, or −1 after saying why on stderr. tick: the present one. */
int guest_pin(const struct guest_env *env, struct guest *guest, virDomainPtr dom,
	      unsigned int number, int pcpu, unsigned long tick);

/* Adds what is to be put back of it. 0, −1 when out of memory. */
int guest_save(const struct guest *guest, struct saved *saved);

#endif
