/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/probe.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/number.h"

#define HEX_PREFIX	"hex:"
#define HEX_DIGITS	"0123456789abcdefABCDEF"
#define MAX_HOST	253
#define MIN_INTERVAL_MS 10
#define MIN_TIMEOUT_MS	1
#define MAX_INTERVAL_MS 3600000
#define MAX_RUNS	100

#define DEFAULT_PATH	     "/"
#define DEFAULT_STATUS_LEAST 200
#define DEFAULT_STATUS_MOST  399

#define TYPE_BIT(type) (1U << (type))
#define ANY_TYPE       UINT32_MAX
#define HTTP_TYPES     (TYPE_BIT(PROBE_HTTP) | TYPE_BIT(PROBE_HTTPS))
#define BYTES_TYPES    (TYPE_BIT(PROBE_TCP) | TYPE_BIT(PROBE_UDP))
#define PORT_TYPES     (HTTP_TYPES | BYTES_TYPES)

static const struct schema_choice types[] = {
	{ "tcp", PROBE_TCP }, { "http", PROBE_HTTP }, { "https", PROBE_HTTPS },
	{ "udp", PROBE_UDP }, { "icmp", PROBE_ICMP }, { 0 },
};

static void read_port(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target)
{
	uint64_t port;

	(void)field;
	if (node->kind != TREE_SCALAR || number_parse(node->text, 1, UINT16_MAX, &port) < 0)
		schema_refuse(report, node, "a number from 1 to %d", UINT16_MAX);
	else
		*(uint16_t *)target = (uint16_t)port;
}

static unsigned int hex_digit(char digit)
{
	return isdigit((unsigned char)digit) ? (unsigned int)(digit - '0')
					     : (unsigned int)((digit | 0x20) - 'a') + 10;
}

/* Bytes after "hex:", or the text as it stands. The size, or 0 when it cannot be. */
static size_t bytes_parse(const char *text, unsigned char bytes[CONFIG_MAX_BYTES])
{
	bool is_hex = strncmp(text, HEX_PREFIX, strlen(HEX_PREFIX)) == 0;
	const char *digits = text + strlen(HEX_PREFIX);
	size_t size = is_hex ? strlen(digits) / 2 : strlen(text);

	if (size > CONFIG_MAX_BYTES)
		return 0;
	if (!is_hex) {
		memcpy(bytes, text, size);
		return size;
	}
	if (strspn(digits, HEX_DIGITS) != strlen(digits) || strlen(digits) % 2 != 0)
		return 0;
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(hex_digit(digits[2 * i]) << 4 |
					   hex_digit(digits[2 * i + 1]));
	return size;
}

static void read_bytes(struct report *report, const struct tree_node *node,
		       const struct schema_field *field, void *target)
{
	struct byte_string *string = target;
	unsigned char bytes[CONFIG_MAX_BYTES];
	size_t size = node->kind == TREE_SCALAR ? bytes_parse(node->text, bytes) : 0;

	(void)field;
	if (size == 0) {
		schema_refuse(report, node,
			      "1 to %d bytes, as text or as hex: and two digits for each",
			      CONFIG_MAX_BYTES);
		return;
	}
	string->data = calloc(1, size + 1);
	if (!string->data) {
		report->is_out_of_memory = true;
		return;
	}
	memcpy(string->data, bytes, size);
	string->size = size;
}

/* What goes into a request line must not be able to end it. */
static bool path_is_valid(const char *path)
{
	if (path[0] != '/' || strlen(path) > CONFIG_MAX_PATH)
		return false;
	for (const char *c = path; *c; c++) {
		if (!isgraph((unsigned char)*c) || *c == '#')
			return false;
	}
	return true;
}

static void read_path(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target)
{
	(void)field;
	if (node->kind != TREE_SCALAR || !path_is_valid(node->text))
		schema_refuse(report, node,
			      "a path from / on, of at most %d printable ASCII characters without "
			      "spaces and #",
			      CONFIG_MAX_PATH);
	else
		schema_set_string(report, node->text, target);
}

static void read_host(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target)
{
	size_t length = strlen(node->text);

	(void)field;
	if (node->kind != TREE_SCALAR || length == 0 || length > MAX_HOST ||
	    strspn(node->text, SCHEMA_NAME_CHARACTERS) != length)
		schema_refuse(report, node,
			      "a host's name: 1 to %d letters, digits, \"-\", \"_\" and \".\"",
			      MAX_HOST);
	else
		schema_set_string(report, node->text, target);
}

static void read_body(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target)
{
	(void)field;
	if (node->kind != TREE_SCALAR || node->text[0] == '\0' ||
	    strlen(node->text) > CONFIG_MAX_BYTES)
		schema_refuse(report, node, "a text of 1 to %d bytes", CONFIG_MAX_BYTES);
	else
		schema_set_string(report, node->text, target);
}

/* "200" or "200-399" */
static int status_parse(const char *text, struct status_range *ret_range)
{
	char copy[sizeof("100-599")];
	uint64_t least, most;
	char *dash;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	dash = strchr(copy, '-');
	if (dash)
		*dash = '\0';
	if (number_parse(copy, 100, 599, &least) < 0)
		return -EINVAL;
	most = least;
	if (dash && number_parse(dash + 1, least, 599, &most) < 0)
		return -EINVAL;
	*ret_range = (struct status_range){ (uint16_t)least, (uint16_t)most };
	return 0;
}

static void read_status_range(struct report *report, const struct tree_node *node,
			      struct probe_config *probe)
{
	struct status_range range;

	if (probe->status_count >= CONFIG_MAX_STATUS_RANGES)
		schema_report(report, node, "too many ranges, at most %d",
			      CONFIG_MAX_STATUS_RANGES);
	else if (node->kind != TREE_SCALAR || status_parse(node->text, &range) < 0)
		schema_refuse(
			report, node,
			"a code from 100 to 599, a range such as 200-399, or a list of these");
	else
		probe->status[probe->status_count++] = range;
}

static void read_status(struct report *report, const struct tree_node *node,
			const struct schema_field *field, void *target)
{
	(void)field;
	if (node->kind == TREE_LIST && node->count == 0)
		schema_report(report, node, "the list is empty, it needs a code or a range");
	if (node->kind != TREE_LIST) {
		read_status_range(report, node, target);
		return;
	}
	for (const struct tree_node *item = node->first; item; item = item->next)
		read_status_range(report, item, target);
}

#define AT(member) .offset = offsetof(struct probe_config, member)

static const struct schema_field fields[] = {
	{ "type", schema_read_choice, AT(type), .is_required = true, .choices = types,
	  .probes = ANY_TYPE },
	{ "port", read_port, AT(port), .probes = PORT_TYPES },
	{ "interval", schema_read_duration, AT(interval_ms), .least = MIN_INTERVAL_MS,
	  .most = MAX_INTERVAL_MS, .probes = ANY_TYPE },
	{ "timeout", schema_read_duration, AT(timeout_ms), .least = MIN_TIMEOUT_MS,
	  .most = MAX_INTERVAL_MS, .probes = ANY_TYPE },
	{ "rise", schema_read_number, AT(rise), .least = 1, .most = MAX_RUNS, .probes = ANY_TYPE },
	{ "fall", schema_read_number, AT(fall), .least = 1, .most = MAX_RUNS, .probes = ANY_TYPE },
	{ "send", read_bytes, AT(send), .probes = BYTES_TYPES },
	{ "expect", read_bytes, AT(expect), .probes = BYTES_TYPES },
	{ "path", read_path, AT(path), .probes = HTTP_TYPES },
	{ "host", read_host, AT(host), .probes = HTTP_TYPES },
	{ "status", read_status, .offset = 0, .probes = HTTP_TYPES },
	{ "body", read_body, AT(body), .probes = HTTP_TYPES },
	{ "verify", schema_read_bool, AT(verify), .probes = TYPE_BIT(PROBE_HTTPS) },
};

_Static_assert(ARRAY_SIZE(fields) <= SCHEMA_MAX_FIELDS, "raise SCHEMA_MAX_FIELDS");

static const struct schema schema = { "a probe", fields, ARRAY_SIZE(fields) };

void probe_read(struct report *report, const struct tree_node *node,
		const struct schema_field *field, void *target)
{
	struct probe_config *probe = target;

	(void)field;
	*probe = (struct probe_config){
		.interval_ms = CONFIG_DEFAULT_INTERVAL_MS,
		.rise = CONFIG_DEFAULT_RISE,
		.fall = CONFIG_DEFAULT_FALL,
		.verify = true,
	};
	schema_read(report, node, &schema, probe);
}

/* "tcp and udp" */
static void list_types(unsigned int bits, char *phrase, size_t size)
{
	size_t used = 0;

	phrase[0] = '\0';
	for (const struct schema_choice *type = types; type->name && used < size; type++) {
		unsigned int later = bits >> (type->value + 1);

		if (bits & TYPE_BIT(type->value))
			used += (size_t)snprintf(phrase + used, size - used, "%s%s", type->name,
						 later == 0		      ? ""
						 : (later & (later - 1)) == 0 ? " and "
									      : ", ");
	}
}

static void check_key(struct report *report, const struct tree_node *value, enum probe_type type)
{
	const struct schema_field *field = schema_find(&schema, value->key->text);
	char phrase[64];

	if (!field || field->probes & TYPE_BIT(type))
		return;
	list_types(field->probes, phrase, sizeof(phrase));
	report_add(report, value->key->line, value->key->column,
		   "%s: not a key of a probe of type %s, it belongs to %s", field->name,
		   probe_type_name(type), phrase);
}

static void complete_port(struct report *report, const struct tree_node *node,
			  const struct service_port *port, struct probe_config *probe)
{
	if (probe->type == PROBE_ICMP) {
		probe->port = 0;
		return;
	}
	probe->has_port = tree_find(node, "port");
	if (probe->has_port)
		return;
	if (port->is_any)
		schema_report(report, node,
			      "the key port is needed, because the service has any port");
	probe->port = port->number;
}

static void complete_timeout(struct report *report, const struct tree_node *node,
			     struct probe_config *probe)
{
	const struct tree_node *timeout = tree_find(node, "timeout");

	if (!timeout)
		probe->timeout_ms = probe->interval_ms / 2;
	else if (probe->timeout_ms > probe->interval_ms)
		schema_refuse(report, timeout, "at most the interval, %" PRIu32 "ms",
			      probe->interval_ms);
}

static void complete_http(struct report *report, struct probe_config *probe)
{
	if (!(TYPE_BIT(probe->type) & HTTP_TYPES))
		return;
	if (!probe->path)
		schema_set_string(report, DEFAULT_PATH, &probe->path);
	if (probe->status_count == 0)
		probe->status[probe->status_count++] =
			(struct status_range){ DEFAULT_STATUS_LEAST, DEFAULT_STATUS_MOST };
}

void probe_complete(struct report *report, const struct tree_node *node,
		    const struct service_port *port, struct probe_config *probe)
{
	/* Without a type, which was reported, nothing else can be judged. */
	if (probe->type == PROBE_NONE)
		return;
	for (const struct tree_node *value = node->first; value; value = value->next)
		check_key(report, value, probe->type);
	if (probe->type == PROBE_UDP && !tree_find(node, "send"))
		schema_report(report, node, "the key send is needed by a probe of type udp");
	complete_port(report, node, port, probe);
	complete_timeout(report, node, probe);
	complete_http(report, probe);
}
