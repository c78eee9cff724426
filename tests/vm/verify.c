/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads both programs with every set of options that a configuration can have, and with what test runs
 * add to none and to all of them; prints for each how many instructions the kernel's verifier looked at:
 *
 *   leat any_port,trace 12345
 *
 * or "refused" in the number's place and, on standard error, the end of what the verifier said.
 * Status 1: one was refused.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "maps/layout.h"

#include "decap.skel.h"
#include "leat.skel.h"

#define LOG_SIZE       (16U << 20)
#define LOG_SHOWN      1500U
#define DECAP_GUE_PORT 6080
#define FLOWS	       1024U

/* Options are bytes of .rodata that are 0 or 1. */
struct flag {
	const char *name;
	size_t offset;
	bool is_for_tests; /* no configuration sets it */
};

static const struct flag leat_flags[] = {
	{ .name = "any_port", .offset = offsetof(struct leat_options, any_port) },
	{ .name = "remembers", .offset = offsetof(struct leat_options, remembers) },
	{ .name = "trace", .offset = offsetof(struct leat_options, trace), .is_for_tests = true },
	{ .name = "rate", .offset = offsetof(struct leat_options, rate) },
	{ .name = "access", .offset = offsetof(struct leat_options, access) },
	{ .name = "quic", .offset = offsetof(struct leat_options, quic) },
	{ .name = "nat", .offset = offsetof(struct leat_options, nat) },
};
_Static_assert(ARRAY_SIZE(leat_flags) == sizeof(struct leat_options), "an option is not tried");

static const struct flag decap_flags[] = {
	{ .name = "check_source", .offset = offsetof(struct leat_decap_options, check_source) },
};

static char log_text[LOG_SIZE];

static int say_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static void print_set(const struct flag *flags, size_t count, unsigned int set)
{
	const char *separator = "";

	for (size_t i = 0; i < count; i++) {
		if (!(set >> i & 1))
			continue;
		printf("%s%s", separator, flags[i].name);
		separator = ",";
	}
	printf("%s", set ? "" : "none");
}

static void set_flags(void *options, const struct flag *flags, size_t count, unsigned int set)
{
	for (size_t i = 0; i < count; i++)
		((unsigned char *)options)[flags[i].offset] = set >> i & 1;
}

/* 0, or 1 if the program was refused; says which. */
static int load(struct bpf_object *object, struct bpf_program *program)
{
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);
	size_t len;

	log_text[0] = '\0';
	bpf_program__set_log_buf(program, log_text, sizeof(log_text));
	if (bpf_object__load(object) == 0 &&
	    bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0) {
		printf(" %u\n", info.verified_insns);
		return 0;
	}
	printf(" refused\n");
	len = strlen(log_text);
	fprintf(stderr, "%s\n", log_text + (len > LOG_SHOWN ? len - LOG_SHOWN : 0));
	return 1;
}

static int load_leat(unsigned int set)
{
	struct leat_bpf *leat = leat_bpf__open();
	int r;

	if (!leat)
		return 1;
	set_flags((void *)&leat->rodata->options, leat_flags, ARRAY_SIZE(leat_flags), set);
	leat->rodata->memory.flow_mask = FLOWS - 1;
	bpf_map__set_max_entries(leat->maps.flows, FLOWS);
	bpf_map__set_max_entries(leat->maps.nat_flows, FLOWS);
	bpf_map__set_max_entries(leat->maps.quic_ids, FLOWS);
	bpf_map__set_max_entries(leat->maps.backend_count, FLOWS);
	printf("leat ");
	print_set(leat_flags, ARRAY_SIZE(leat_flags), set);
	r = load(leat->obj, leat->progs.leat);
	leat_bpf__destroy(leat);
	return r;
}

static int load_decap(unsigned int set)
{
	struct decap_bpf *decap = decap_bpf__open();
	int r;

	if (!decap)
		return 1;
	set_flags((void *)&decap->rodata->options, decap_flags, ARRAY_SIZE(decap_flags), set);
	decap->rodata->options.gue_port = htons(DECAP_GUE_PORT);
	printf("decap ");
	print_set(decap_flags, ARRAY_SIZE(decap_flags), set);
	r = load(decap->obj, bpf_object__next_program(decap->obj, NULL));
	decap_bpf__destroy(decap);
	return r;
}

#define ALL_LEAT ((1U << ARRAY_SIZE(leat_flags)) - 1)

static unsigned int configured_flags(void)
{
	unsigned int set = 0;

	for (size_t i = 0; i < ARRAY_SIZE(leat_flags); i++)
		set |= (unsigned int)!leat_flags[i].is_for_tests << i;
	return set;
}

static bool is_tried(unsigned int set, unsigned int configured)
{
	unsigned int rest = set & configured;

	return set == rest || rest == 0 || rest == configured;
}

int main(void)
{
	unsigned int configured = configured_flags();
	int refused = 0;

	libbpf_set_print(say_nothing);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned int set = 0; set <= ALL_LEAT; set++) {
		if (is_tried(set, configured))
			refused += load_leat(set);
	}
	for (unsigned int set = 0; set < 1U << ARRAY_SIZE(decap_flags); set++)
		refused += load_decap(set);
	return refused != 0;
}
