/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>
#include <sys/ioctl.h>

#include "tools/leat/cli.h"

#define TABLE_GAP	2
#define TABLE_LEAST_CUT 16 /* columns that the last cell keeps, however narrow the terminal */

void cli_table_deinit(struct cli_table *table)
{
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i].text);
	free(table->cells);
	table->cells = NULL;
	table->cell_count = table->capacity = 0;
}

/* Takes the text. A row is a line, whatever the cell says. */
static void cell_append(struct cli_table *table, enum cli_colour colour, char *text)
{
	if (table->cell_count == table->capacity) {
		table->capacity = table->capacity ? table->capacity * 2 : 64;
		table->cells = cli_allocated(
			reallocarray(table->cells, table->capacity, sizeof(*table->cells)));
	}
	for (char *c = text; *c; c++)
		*c = *c == '\n' ? ' ' : *c;
	table->cells[table->cell_count++] = (struct cli_cell){ .text = text, .colour = colour };
}

void cli_table_add(struct cli_table *table, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	cell_append(table, CLI_PLAIN, cli_format(format, args));
	va_end(args);
}

void cli_table_add_coloured(struct cli_table *table, enum cli_colour colour, const char *format,
			    ...)
{
	va_list args;

	va_start(args, format);
	cell_append(table, colour, cli_format(format, args));
	va_end(args);
}

void cli_table_add_number(struct cli_table *table, double number)
{
	char text[CLI_NUMBER_SIZE];

	cli_table_add(table, "%s", cli_format_number(number, text));
}

/* The bytes of UTF-8 that fill at most `columns` columns, one a character. */
static size_t text_bytes(const char *text, size_t columns)
{
	size_t size = 0;

	while (text[size] && columns-- > 0)
		do
			size++;
		while ((text[size] & 0xc0) == 0x80);
	return size;
}

static size_t text_columns(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += (*text & 0xc0) != 0x80;
	return columns;
}

static size_t column_width(const struct cli_table *table, size_t column, bool has_titles)
{
	size_t width = has_titles ? strlen(table->columns[column].title) : 0;

	for (size_t i = column; i < table->cell_count; i += table->column_count)
		width = MAX(width, text_columns(table->cells[i].text));
	return width;
}

size_t cli_terminal_columns(void)
{
	struct winsize window;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) < 0 ||
	    window.ws_col == 0)
		return SIZE_MAX;
	return window.ws_col;
}

/* How wide the last column may be; no limit where nobody looks at it. */
static size_t last_width(size_t before)
{
	size_t columns = cli_terminal_columns();

	return columns > before + TABLE_LEAST_CUT ? columns - before : TABLE_LEAST_CUT;
}

static void print_last(const struct cli_cell *cell, size_t most)
{
	if (text_columns(cell->text) <= most)
		cli_print_coloured(cell->colour, "%s\n", cell->text);
	else
		cli_print_coloured(cell->colour, "%.*s...\n", (int)text_bytes(cell->text, most - 3),
				   cell->text);
}

static void print_cell(const struct cli_cell *cell, bool is_number, size_t width)
{
	int padding = (int)(width - text_columns(cell->text));

	if (is_number)
		fprintf(cli_out(), "%*s", padding, "");
	cli_print_coloured(cell->colour, "%s", cell->text);
	fprintf(cli_out(), "%*s", is_number ? TABLE_GAP : padding + TABLE_GAP, "");
}

static void print_row(const struct cli_table *table, const struct cli_cell *cells,
		      const size_t *widths, int indent)
{
	size_t last = table->column_count - 1;
	size_t before = (size_t)indent;

	fprintf(cli_out(), "%*s", indent, "");
	for (size_t i = 0; i < last; i++) {
		print_cell(&cells[i], table->columns[i].is_number, widths[i]);
		before += widths[i] + TABLE_GAP;
	}
	if (table->columns[last].is_number)
		fprintf(cli_out(), "%*s", (int)(widths[last] - text_columns(cells[last].text)), "");
	print_last(&cells[last], last_width(before));
}

static void print_titles(const struct cli_table *table, const size_t *widths, int indent)
{
	cleanup(cli_table_deinit) struct cli_table titles = {
		.columns = table->columns,
		.column_count = table->column_count,
	};

	for (size_t i = 0; i < table->column_count; i++)
		cli_table_add_coloured(&titles, CLI_BOLD, "%s", table->columns[i].title);
	print_row(&titles, titles.cells, widths, indent);
}

static void print_table(const struct cli_table *table, int indent, bool has_titles)
{
	cleanup(freep) size_t *widths = cli_allocated(calloc(table->column_count, sizeof(size_t)));

	for (size_t i = 0; i < table->column_count; i++)
		widths[i] = column_width(table, i, has_titles);
	if (has_titles)
		print_titles(table, widths, indent);
	for (size_t i = 0; i < table->cell_count; i += table->column_count)
		print_row(table, &table->cells[i], widths, indent);
}

void cli_table_print(const struct cli_table *table, int indent)
{
	print_table(table, indent, true);
}

void cli_table_print_rows(const struct cli_table *table, int indent)
{
	print_table(table, indent, false);
}
