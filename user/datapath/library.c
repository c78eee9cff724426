/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/library.h"

#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <xdp/libxdp.h>

#include "base/log.h"
#include "base/macros.h"

static char last_warning[256];

static vprintf_like(2) void library_say(bool is_warning, const char *format, va_list args)
{
	char line[sizeof(last_warning)];

	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	if (is_warning)
		strcpy(last_warning, line);
	log_debug("%s", line);
}

static vprintf_like(2) int libbpf_say(enum libbpf_print_level level, const char *format,
				      va_list args)
{
	library_say(level == LIBBPF_WARN, format, args);
	return 0;
}

static vprintf_like(2) int libxdp_say(enum libxdp_print_level level, const char *format,
				      va_list args)
{
	library_say(level == LIBXDP_WARN, format, args);
	return 0;
}

void library_capture_warnings(void)
{
	libbpf_set_print(libbpf_say);
	libxdp_set_print(libxdp_say);
	last_warning[0] = '\0';
}

const char *library_warning(void)
{
	return last_warning[0] ? last_warning : "no more is known";
}
