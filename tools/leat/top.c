/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Services and backends by what they do now, again and again: on a terminal a screen that keys sort and
 * filter, elsewhere a table or, under -j, an object for each sample. Rates are those between two samples,
 * the first one's are leatd's own.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/clock.h"
#include "base/number.h"
#include "tools/leat/cli.h"

#define DEFAULT_INTERVAL_MS 2000
#define MIN_INTERVAL_MS	    200
#define MAX_INTERVAL_MS	    3600000
#define MAX_COUNT	    1000000000
#define MAX_FILTER	    63
#define LEAST_ROWS	    3

#define ENTER_SCREEN "\033[?1049h\033[?25l"
#define LEAVE_SCREEN "\033[?25h\033[?1049l"
#define TO_THE_TOP   "\033[H"
#define END_LINE     "\033[K\n"
#define END_SCREEN   "\033[J"

/* One line of the screen: a service, or one of its backends. */
struct row {
	const char *name;
	const char *service; /* NULL: it is one */
	const char *state;   /* of a service "2 of 3", in `up` */
	char up[CLI_NUMBER_SIZE];
	bool is_whole; /* it is up, and so are all of its backends */
	double packets, bits, share, drops;
	uint64_t open_slots;
	uint64_t flows;
	bool has_flows;
	size_t order; /* in leatd's answer */
};

enum sorting { SORT_ORDER, SORT_NAME, SORT_PACKETS, SORT_BITS, SORT_FLOWS, SORT_OPEN, SORT_DROPS };

static const struct {
	char key;
	const char *name;
} sortings[] = {
	[SORT_ORDER] = { 'c', "configuration" }, [SORT_NAME] = { 'n', "name" },
	[SORT_PACKETS] = { 'p', "packets" },	 [SORT_BITS] = { 'b', "bits" },
	[SORT_FLOWS] = { 'f', "flows" },	 [SORT_OPEN] = { 'o', "open" },
	[SORT_DROPS] = { 'd', "drops" },
};

struct sample {
	json_t *services;
	json_t *stats;
	uint64_t taken_us;
};

struct top {
	const char *service; /* the only one, or NULL */
	uint64_t interval_ms;
	uint64_t left; /* samples */
	struct sample now, before;
	struct row *rows;
	size_t row_count;

	enum sorting sorting;
	bool hides_backends;
	bool hides_whole; /* what is up */
	char filter[MAX_FILTER + 1];
	bool is_typing; /* keys go to the filter */
	size_t first;	/* row on the screen */
	bool is_screen;
	char *failure; /* why there is no new sample; NULL: there is */
};

static volatile sig_atomic_t is_interrupted;

static void on_signal(int signal_number)
{
	is_interrupted = signal_number != SIGWINCH;
}

static void sample_deinit(struct sample *sample)
{
	json_decref(sample->services);
	json_decref(sample->stats);
	*sample = (struct sample){ 0 };
}

static void top_deinit(struct top *top)
{
	sample_deinit(&top->now);
	sample_deinit(&top->before);
	free(top->rows);
	free(top->failure);
}

static int sample_take(struct sample *sample, const char *service, struct api_failure *failure)
{
	const struct api_parameter parameters[] = { { "name", service } };
	int r = api_try_get("/v1/services", parameters, ARRAY_SIZE(parameters), JSON_ARRAY,
			    MAX_INTERVAL_MS, &sample->services, failure);

	sample->taken_us = clock_monotonic_us();
	if (r == CLI_OK)
		r = api_try_get("/v1/stats", NULL, 0, JSON_OBJECT, MAX_INTERVAL_MS, &sample->stats,
				failure);
	return r;
}

/* Whoever looks goes on looking: what is shown is then said to be old. */
static int top_sample(struct top *top)
{
	struct api_failure failure = { 0 };
	struct sample sample = { 0 };
	int r = sample_take(&sample, top->service, &failure);

	free(take_ptr(top->failure));
	if (r != CLI_OK) {
		sample_deinit(&sample);
		top->failure = take_ptr(failure.text);
		return r;
	}
	sample_deinit(&top->before);
	top->before = top->now;
	top->now = sample;
	return r;
}

/* The member with the same name and address; most often it is where it was. */
static const json_t *find_same(const json_t *list, size_t index, const json_t *one)
{
	const json_t *candidate = json_array_get(list, index);
	size_t i = 0;

	while (candidate &&
	       (strcmp(reply_text(candidate, "name"), reply_text(one, "name")) != 0 ||
		strcmp(reply_text(candidate, "address"), reply_text(one, "address")) != 0))
		candidate = json_array_get(list, i++);
	return candidate;
}

static double seconds_between(const struct top *top)
{
	return (double)(top->now.taken_us - top->before.taken_us) / 1e6;
}

/* Counters begin anew with new maps. */
static double rate(const struct top *top, const json_t *now, const json_t *before,
		   const char *counter, const char *rate_of_leatd)
{
	uint64_t count = reply_count(now, counter), last = reply_count(before, counter);

	if (!before || count < last)
		return rate_of_leatd ? reply_number(now, rate_of_leatd) : 0;
	return (double)(count - last) / seconds_between(top);
}

static void row_set_traffic(struct row *row, const struct top *top, const json_t *now,
			    const json_t *before)
{
	row->packets = rate(top, now, before, "packets", "packets_per_second");
	row->bits = 8 * rate(top, now, before, "bytes", "bytes_per_second");
}

static void row_set_drops(struct row *row, const struct top *top, const json_t *now,
			  const json_t *before)
{
	const json_t *refused = json_object_get(now, "refused"), *count;
	const json_t *last = json_object_get(before, "refused");
	const char *reason;

	json_object_foreach((json_t *)(uintptr_t)refused, reason, count)
		row->drops += before ? rate(top, refused, last, reason, NULL) : 0;
}

static struct row service_row(const struct top *top, const json_t *service, const json_t *before)
{
	const json_t *backends = json_object_get(service, "backends"), *backend;
	struct row row = { .name = reply_text(service, "name") };
	size_t up = 0, i;

	row_set_traffic(&row, top, service, before);
	row_set_drops(&row, top, service, before);
	row.open_slots = reply_count(service, "open_slots");
	json_array_foreach(backends, i, backend) {
		up += strcmp(reply_text(backend, "state"), "up") == 0;
		row.share += reply_number(backend, "share");
		row.flows += reply_count(backend, "flows");
		row.has_flows |= reply_flag(backend, "flows_counted");
	}
	row.is_whole = up == json_array_size(backends);
	snprintf(row.up, sizeof(row.up), "%zu of %zu", up, json_array_size(backends));
	return row;
}

static struct row backend_row(const struct top *top, const json_t *backend, const json_t *before)
{
	struct row row = {
		.name = reply_text(backend, "name"),
		.service = reply_text(backend, "service"),
		.state = reply_text(backend, "state"),
		.share = reply_number(backend, "share"),
		.flows = reply_count(backend, "flows"),
		.has_flows = reply_flag(backend, "flows_counted"),
	};

	row_set_traffic(&row, top, backend, before);
	row.is_whole = strcmp(row.state, "up") == 0;
	return row;
}

static bool is_wanted(const struct top *top, const struct row *row)
{
	if (top->hides_whole && row->is_whole)
		return false;
	return strcasestr(row->name, top->filter) ||
	       (row->service && strcasestr(row->service, top->filter));
}

static size_t count_members(const json_t *services)
{
	const json_t *service;
	size_t count = 0, i;

	json_array_foreach(services, i, service)
		count += 1 + json_array_size(json_object_get(service, "backends"));
	return count;
}

static int compare_numbers(double a, double b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

/* The most first. */
static int compare_by(enum sorting sorting, const struct row *a, const struct row *b)
{
	switch (sorting) {
	case SORT_NAME:
		return strcmp(a->name, b->name);
	case SORT_PACKETS:
		return compare_numbers(a->packets, b->packets);
	case SORT_BITS:
		return compare_numbers(a->bits, b->bits);
	case SORT_FLOWS:
		return compare_numbers((double)a->flows, (double)b->flows);
	case SORT_OPEN:
		return compare_numbers((double)a->open_slots, (double)b->open_slots);
	case SORT_DROPS:
		return compare_numbers(a->drops, b->drops);
	case SORT_ORDER:
		break;
	}
	return 0;
}

static int compare_rows(const void *a, const void *b, void *user)
{
	const struct row *one = a, *other = b;
	const struct top *top = user;
	int r = compare_by(top->sorting, one, other);

	return r ?: one->order < other->order ? -1 : 1;
}

static void sort_rows(const struct top *top, struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		rows[i].order = i;
	qsort_r(rows, count, sizeof(*rows), compare_rows, (void *)(uintptr_t)top);
}

static void add_backends(struct top *top, const json_t *service, const json_t *before)
{
	const json_t *backends = json_object_get(service, "backends"), *backend;
	const json_t *were = json_object_get(before, "backends");
	size_t first = top->row_count, i;

	json_array_foreach(backends, i, backend) {
		struct row row = backend_row(top, backend, find_same(were, i, backend));

		if (is_wanted(top, &row))
			top->rows[top->row_count++] = row;
	}
	sort_rows(top, top->rows + first, top->row_count - first);
}

/* A service is there for the sake of its backends, too. */
static void add_service(struct top *top, const struct row *row, size_t index)
{
	const json_t *service = json_array_get(top->now.services, index);
	size_t first = top->row_count++;

	top->rows[first] = *row;
	if (!top->hides_backends)
		add_backends(top, service, find_same(top->before.services, index, service));
	if (top->row_count == first + 1 && !is_wanted(top, row))
		top->row_count = first;
}

/* Backends stand below their service. */
static void make_rows(struct top *top)
{
	size_t count = json_array_size(top->now.services), i;
	cleanup(freep) struct row *services = cli_allocated(calloc(count + 1, sizeof(*services)));
	const json_t *service;

	free(top->rows);
	top->row_count = 0;
	top->rows = cli_allocated(calloc(count_members(top->now.services) + 1, sizeof(*top->rows)));
	json_array_foreach(top->now.services, i, service)
		services[i] =
			service_row(top, service, find_same(top->before.services, i, service));
	sort_rows(top, services, count);
	for (i = 0; i < count; i++)
		add_service(top, &services[i], services[i].order);
}

/* The columns behind the name, by their width, which includes the gap before; and from what width of the
 * terminal on they are there. */
static const struct {
	const char *title;
	int width;
	size_t least_columns;
} columns[] = {
	{ "STATE", 10, 0 }, { "PKT/S", 8, 0 }, { "BIT/S", 8, 44 },  { "SHARE", 8, 72 },
	{ "FLOWS", 8, 64 }, { "OPEN", 8, 56 }, { "DROP/S", 8, 50 },
};

enum column {
	COLUMN_STATE,
	COLUMN_PACKETS,
	COLUMN_BITS,
	COLUMN_SHARE,
	COLUMN_FLOWS,
	COLUMN_OPEN,
	COLUMN_DROPS
};

#define LEAST_NAME 12
#define MOST_NAME  40

static size_t terminal_columns(const struct top *top)
{
	return top->is_screen ? cli_terminal_columns() : MAX(MIN(cli_terminal_columns(), 100), 80);
}

static int name_width(size_t terminal)
{
	int width = (int)terminal;

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		width -= terminal >= columns[i].least_columns ? columns[i].width : 0;
	return MIN(MAX(width, LEAST_NAME), MOST_NAME);
}

static void print_number(int width, double number, bool is_known)
{
	char text[CLI_NUMBER_SIZE];

	fprintf(cli_out(), "%*s", width, is_known ? cli_format_number(number, text) : "-");
}

static void print_state(const struct row *row, int width)
{
	const char *state = row->service ? row->state : row->up;
	bool is_down = row->service && strcmp(row->state, "down") == 0;

	cli_print_coloured(row->is_whole ? CLI_GREEN
			   : is_down	 ? CLI_RED
					 : CLI_YELLOW,
			   "  %-*.*s", width - 2, width - 2, state);
}

static void print_column(const struct row *row, enum column column, int width)
{
	bool is_service = !row->service;

	switch (column) {
	case COLUMN_STATE:
		print_state(row, width);
		break;
	case COLUMN_PACKETS:
		print_number(width, row->packets, true);
		break;
	case COLUMN_BITS:
		print_number(width, row->bits, true);
		break;
	case COLUMN_SHARE:
		fprintf(cli_out(), "%*.1f%%", width - 1, 100 * row->share);
		break;
	case COLUMN_FLOWS:
		print_number(width, (double)row->flows, row->has_flows);
		break;
	case COLUMN_OPEN:
		print_number(width, (double)row->open_slots, is_service);
		break;
	case COLUMN_DROPS:
		print_number(width, row->drops, is_service);
		break;
	}
}

static const char *line_end(const struct top *top)
{
	return top->is_screen ? END_LINE : "\n";
}

static void print_row(const struct top *top, const struct row *row)
{
	size_t terminal = terminal_columns(top);
	int width = name_width(terminal), indent = row->service ? 2 : 0;

	cli_print_coloured(row->service ? CLI_PLAIN : CLI_BOLD, "%*s%-*.*s", indent, "",
			   width - indent, width - indent, row->name);
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (terminal >= columns[i].least_columns)
			print_column(row, (enum column)i, columns[i].width);
	fputs(line_end(top), cli_out());
}

static void print_titles(const struct top *top)
{
	size_t terminal = terminal_columns(top);

	cli_print_coloured(CLI_BOLD, "%-*s", name_width(terminal), "NAME");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		bool is_left = i == COLUMN_STATE;

		if (terminal >= columns[i].least_columns)
			cli_print_coloured(CLI_BOLD, is_left ? "  %-*s" : "%*s",
					   columns[i].width - 2 * is_left, columns[i].title);
	}
	fputs(line_end(top), cli_out());
}

/* Cut where the terminal ends. */
static void print_line(const struct top *top, enum cli_colour colour, const char *text)
{
	cli_print_coloured(colour, "%.*s", (int)terminal_columns(top), text);
	fputs(line_end(top), cli_out());
}

/* "dropped: denied 7.6/s, bad_length 2/s" */
static char *drops_format(const struct top *top)
{
	const json_t *reasons = json_object_get(top->now.stats, "reasons"), *reason;
	const json_t *were = json_object_get(top->before.stats, "reasons");
	char *text = NULL, number[CLI_NUMBER_SIZE];
	const char *separator = "dropped: ";
	size_t size, i;
	FILE *out = cli_allocated(open_memstream(&text, &size));

	json_array_foreach(reasons, i, reason) {
		double drops =
			rate(top, reason, json_array_get(were, i), "packets", "packets_per_second");

		if (drops <= 0 || strcmp(reply_text(reason, "verdict"), "drop") != 0)
			continue;
		fprintf(out, "%s%s %s/s", separator, reply_text(reason, "reason"),
			cli_format_number(drops, number));
		separator = ", ";
	}
	if (separator[0] == 'd')
		fputs("dropped: nothing", out);
	fclose(out);
	return cli_allocated(text);
}

static char *head_format(const struct top *top)
{
	char *text, interval[DURATION_TEXT_SIZE];

	duration_format(top->interval_ms, interval);
	if (asprintf(&text, "leat top  every %s  by %s%s%s%s%s", interval,
		     sortings[top->sorting].name, top->hides_backends ? "  services only" : "",
		     top->hides_whole ? "  only what is not up" : "",
		     top->filter[0] || top->is_typing ? "  filter: " : "", top->filter) < 0)
		text = NULL;
	return cli_allocated(text);
}

static size_t terminal_rows(void)
{
	struct winsize window;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) < 0 || window.ws_row == 0)
		return 24;
	return window.ws_row;
}

/* Head, drops and titles above, the keys or what is wrong below. */
static size_t visible_rows(const struct top *top)
{
	size_t rows = terminal_rows();

	if (!top->is_screen)
		return top->row_count;
	return rows > 4 + LEAST_ROWS ? rows - 4 : LEAST_ROWS;
}

static void print_foot(const struct top *top, size_t last)
{
	char text[256];

	if (top->failure)
		snprintf(text, sizeof(text), "as it was: %s", top->failure);
	else if (top->is_typing)
		snprintf(text, sizeof(text), "type to filter; enter keeps it, escape ends it");
	else if (top->first > 0 || last < top->row_count)
		snprintf(text, sizeof(text), "%zu to %zu of %zu; arrows; q c n p b f o d s t /",
			 top->first + 1, last, top->row_count);
	else
		snprintf(text, sizeof(text),
			 "q quit; sort: c n p b f o d; s services; t troubled; / filter");
	cli_print_coloured(top->failure ? CLI_RED : CLI_PLAIN, "%.*s",
			   (int)terminal_columns(top) - 1, text);
	fputs("\033[K" END_SCREEN, cli_out());
}

static int top_show(struct top *top)
{
	cleanup(freep) char *head = head_format(top);
	cleanup(freep) char *drops = NULL;
	size_t last;

	make_rows(top);
	drops = drops_format(top);
	top->first = MIN(top->first, top->row_count ? top->row_count - 1 : 0);
	last = MIN(top->first + visible_rows(top), top->row_count);
	if (top->is_screen) {
		fputs(TO_THE_TOP, cli_out());
		print_line(top, CLI_PLAIN, head);
	}
	print_line(top, CLI_PLAIN, drops);
	print_titles(top);
	for (size_t i = top->first; i < last; i++)
		print_row(top, &top->rows[i]);
	if (top->is_screen)
		print_foot(top, last);
	else if (top->left > 1)
		fputc('\n', cli_out());
	return cli_flush();
}

static json_t *row_json(const struct row *row)
{
	json_t *json =
		json_pack("{s:s, s:f, s:f, s:f, s:o}", "name", row->name, "packets_per_second",
			  row->packets, "bits_per_second", row->bits, "share", row->share, "flows",
			  row->has_flows ? json_integer((json_int_t)row->flows) : json_null());

	if (row->service) {
		json_object_set_new(json, "service", json_string(row->service));
		json_object_set_new(json, "state", json_string(row->state));
	} else {
		json_object_set_new(json, "open_slots", json_integer((json_int_t)row->open_slots));
		json_object_set_new(json, "drops_per_second", json_real(row->drops));
	}
	return json;
}

static json_t *drops_json(const struct top *top)
{
	const json_t *reasons = json_object_get(top->now.stats, "reasons"), *reason;
	const json_t *were = json_object_get(top->before.stats, "reasons");
	json_t *json = json_object();
	size_t i;

	json_array_foreach(reasons, i, reason) {
		double drops =
			rate(top, reason, json_array_get(were, i), "packets", "packets_per_second");

		if (drops > 0 && strcmp(reply_text(reason, "verdict"), "drop") == 0)
			json_object_set_new(json, reply_text(reason, "reason"), json_real(drops));
	}
	return json;
}

/* {"time_ms", "services": [...], "backends": [...], "drops": {reason: packets a second}} */
static int top_show_json(struct top *top)
{
	json_t *services = json_array(), *backends = json_array();
	cleanup(json_decrefp) json_t *json = NULL;

	make_rows(top);
	for (size_t i = 0; i < top->row_count; i++)
		json_array_append_new(top->rows[i].service ? backends : services,
				      row_json(&top->rows[i]));
	json = json_pack("{s:I, s:o, s:o, s:o}", "time_ms", (json_int_t)clock_wall_ms(), "services",
			 services, "backends", backends, "drops", drops_json(top));
	cli_print_json(cli_allocated(json));
	return cli_flush();
}

static void type_filter(struct top *top, char key)
{
	size_t length = strlen(top->filter);

	if (key == '\n' || key == '\033')
		top->is_typing = false;
	if (key == '\033')
		top->filter[0] = '\0';
	else if ((key == '\b' || key == 0x7f) && length > 0)
		top->filter[length - 1] = '\0';
	else if (key > ' ' && key < 0x7f && length < MAX_FILTER)
		snprintf(top->filter + length, 2, "%c", key);
}

static void scroll_by(struct top *top, ptrdiff_t rows)
{
	ptrdiff_t first = (ptrdiff_t)top->first + rows;
	ptrdiff_t most = (ptrdiff_t)top->row_count - (ptrdiff_t)visible_rows(top);

	top->first = (size_t)MAX(MIN(first, most), 0);
}

/* Whether to go on. */
static bool take_key(struct top *top, char key)
{
	for (size_t i = 0; i < ARRAY_SIZE(sortings); i++)
		if (sortings[i].key == key)
			top->sorting = (enum sorting)i;
	if (key == 's')
		top->hides_backends = !top->hides_backends;
	if (key == 't')
		top->hides_whole = !top->hides_whole;
	if (key == '/')
		top->is_typing = true;
	if (key == 'j' || key == 'k')
		scroll_by(top, key == 'j' ? 1 : -1);
	return key != 'q';
}

/* Whether to go on. An arrow comes as three characters at once. */
static bool take_keys(struct top *top)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
	bool goes_on = n != 0;

	if (n == 3 && keys[0] == '\033' && keys[1] == '[') {
		if (keys[2] == 'A' || keys[2] == 'B')
			scroll_by(top, keys[2] == 'B' ? 1 : -1);
		return true;
	}
	for (ssize_t i = 0; goes_on && i < n; i++) {
		if (top->is_typing)
			type_filter(top, keys[i]);
		else
			goes_on = take_key(top, keys[i]);
	}
	return goes_on;
}

/* Until the next sample is due; a key and another size of the window only show anew. Whether to go on. */
static bool top_wait(struct top *top)
{
	uint64_t due_us = clock_monotonic_us() + 1000 * top->interval_ms, now_us;
	struct pollfd input = { .fd = top->is_screen ? STDIN_FILENO : -1, .events = POLLIN };

	while (!is_interrupted && (now_us = clock_monotonic_us()) < due_us) {
		int n = poll(&input, 1, (int)((due_us - now_us) / 1000 + 1));

		if (n > 0 && !take_keys(top))
			return false;
		if (n != 0 && !is_interrupted && top_show(top) != CLI_OK)
			return false;
	}
	return !is_interrupted;
}

static int top_run(struct top *top)
{
	int r = CLI_OK;

	while (r == CLI_OK || top->is_screen) {
		r = cli_options.json ? top_show_json(top) : top_show(top);
		if (r != CLI_OK || --top->left == 0 || !top_wait(top))
			return r;
		r = top_sample(top);
	}
	return cli_error("%s", top->failure);
}

/* No echo, keys at once, and no stop that would leave the terminal like that. */
static int top_run_on_screen(struct top *top)
{
	struct termios before, raw;
	int r;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return top_run(top);
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	top->is_screen = true;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	fputs(ENTER_SCREEN, cli_out());
	r = top_run(top);
	fputs(LEAVE_SCREEN, cli_out());
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	return r;
}

static int sorting_parse(const char *name, enum sorting *ret_sorting)
{
	for (size_t i = 0; i < ARRAY_SIZE(sortings); i++) {
		if (strcmp(sortings[i].name, name) == 0) {
			*ret_sorting = (enum sorting)i;
			return CLI_OK;
		}
	}
	return cli_usage_error("'%s' is nothing to sort by", name);
}

static int words_parse(int argc, char **argv, struct top *top)
{
	const char *sort = NULL, *interval = NULL, *count = NULL;
	const struct cli_argument arguments[] = {
		{ "service", &top->service },
		{ "sort", &sort },
		{ "every", &interval },
		{ "count", &count },
	};
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));

	if (r == CLI_OK && sort)
		r = sorting_parse(sort, &top->sorting);
	if (r == CLI_OK && interval &&
	    duration_parse(interval, MIN_INTERVAL_MS, MAX_INTERVAL_MS, &top->interval_ms) < 0)
		return cli_usage_error("'%s' is no time from 200ms to 1h", interval);
	if (r == CLI_OK && count && number_parse(count, 1, MAX_COUNT, &top->left) < 0)
		return cli_usage_error("'%s' is no number of samples", count);
	return r;
}

static int top_main_show(int argc, char **argv)
{
	cleanup(top_deinit) struct top top = {
		.interval_ms = DEFAULT_INTERVAL_MS,
		.left = UINT64_MAX,
	};
	const struct sigaction action = { .sa_handler = on_signal };
	bool is_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	int r = words_parse(argc, argv, &top);

	if (r != CLI_OK)
		return r;
	if (top_sample(&top) != CLI_OK)
		return cli_error("%s", top.failure);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGWINCH, &action, NULL);
	return is_terminal && !cli_options.json ? top_run_on_screen(&top) : top_run(&top);
}

int top_main(int argc, char **argv)
{
	static const struct cli_command commands[] = {
		{ "show", top_main_show,
		  "[service SERVICE] [sort configuration|name|packets|bits|flows|open|drops] "
		  "[every TIME] [count N]",
		  "services and backends by what they do now; q ends it" },
		CLI_HELP,
	};

	return cmd_select("top", commands, argc, argv);
}
