/*
 * See top_table.h. Columns that don't fit are left out from the right, so those that are
 * wanted most stand first.
 */
#include "top_table.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "json_out.h"

enum { NAME_MIN = 12, NAME_MAX = 32, CELL = 24, OF_NAME = -1, OF_REDIS = -2 };

typedef enum { NAME, COUNT, RATE, BYTES, SECONDS, CLOCK, SHARE, STATE, VERSION } kind;

/* figure: an fwd_figure, or what it is sorted by else; key: what sorts by it, 0: none. */
static const struct {
    const char *title, *json;
    kind kind;
    int width, figure;
    char key;
} table[] = {
    {"NODE", "name", NAME, NAME_MIN, OF_NAME, 'n'},
    {"SESSIONS", "sessions", COUNT, 9, FWD_SESSIONS, 's'},
    {"ROOMS", "rooms", COUNT, 8, FWD_ROOMS, 'r'},
    {"IN/s", "in", RATE, 8, FWD_IN, 'i'},
    {"OUT/s", "out", RATE, 8, FWD_OUT, 'o'},
    {"DROP/s", "dropped", RATE, 7, FWD_DROPPED, 'd'},
    {"BUSY", "busy", SHARE, 6, FWD_BUSY, 'b'},
    {"LAG", "lag", SECONDS, 8, FWD_LAG, 'l'},
    {"WAITING", "waiting", BYTES, 8, FWD_WAITING, 'w'},
    {"REDIS", "redis", STATE, 6, OF_REDIS, 0},
    {"LOST", "lost", COUNT, 6, FWD_LOST, 0},
    {"UP", "uptime", CLOCK, 12, FWD_UPTIME, 'u'},
    {"MEMBERS", "members", COUNT, 8, FWD_MEMBERS, 'm'},
    {"QUEUE", "queue", BYTES, 7, FWD_QUEUE, 0},
    {"VERSION", "version", VERSION, 9, OF_REDIS, 0},
};
enum { COLUMNS = sizeof table / sizeof table[0] };

static const char keys[] = "q quit   sort by: n name, s sessions, r rooms, i in, o out, "
                           "d dropped, b busy, l lag, "
                           "w waiting, u up, m members; again: the other way";

void fwd_view_init(fwd_view *view)
{
    *view = (fwd_view){.trouble = ""};
    fwd_view_key(view, 's');
}

bool fwd_view_key(fwd_view *view, char key)
{
    for (int i = 0; i < COLUMNS; i++) {
        if (key != 0 && table[i].key == key) {
            view->the_other_way = i == view->column && !view->the_other_way;
            view->column = i;
            return true;
        }
    }
    return false;
}

/* --- cells --- */

/* 1234, 56.7K, 8.9M; unit: what K is. */
static void scaled(char *out, double value, double unit)
{
    static const char units[] = " KMGTP";
    size_t i = 0;
    while (value >= (i == 0 ? 10 * unit : unit) && units[i + 1] != '\0') {
        value /= unit;
        i++;
    }
    if (i == 0) {
        snprintf(out, CELL, "%.0f", value);
    } else {
        snprintf(out, CELL, value < 100 ? "%.1f%c" : "%.0f%c", value, units[i]);
    }
}

static double at_most(double value, double most)
{
    return value < most ? value : most;
}

static void clock_of(char *out, double seconds)
{
    uint64_t s = (uint64_t)at_most(seconds, 1e9);
    uint64_t days = s / 86400;
    if (days > 0) {
        snprintf(out, CELL, "%" PRIu64 "d %02u:%02u", days, (unsigned)(s / 3600 % 24),
                 (unsigned)(s / 60 % 60));
    } else {
        snprintf(out, CELL, "%02u:%02u:%02u", (unsigned)(s / 3600 % 24),
                 (unsigned)(s / 60 % 60), (unsigned)(s % 60));
    }
}

static void figure(char *out, kind as, double value)
{
    if (isnan(value)) {
        snprintf(out, CELL, "-");
    } else if (as == RATE && value > 0 && value < 10) {
        snprintf(out, CELL, "%.1f", value);
    } else if (as == BYTES) {
        scaled(out, value, 1024);
    } else if (as == SECONDS) {
        snprintf(out, CELL, value < 1 ? "%.1fms" : "%.1fs",
                 value < 1 ? value * 1000 : at_most(value, 1e6));
    } else if (as == SHARE) {
        snprintf(out, CELL, "%.0f%%", at_most(value, 1000) * 100);
    } else if (as == CLOCK) {
        clock_of(out, value);
    } else {
        scaled(out, value, 1000);
    }
}

static const char *state_of(const fwd_node *node)
{
    return node->is_late ? "late" : "up";
}

/* Is this the first byte of a character? Each is taken to have a column of a terminal. */
static bool begins(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

/* How many columns a text takes. */
static int width_of(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++) {
        n += begins(*text);
    }
    return n;
}

/* Cut or filled up to that many columns, on the left of which it stands. */
static void put_left(FILE *out, const char *text, int width)
{
    int n = 0;
    for (; *text != '\0'; text++) {
        n += begins(*text);
        if (n > width) {
            return;
        }
        fputc(*text, out);
    }
    fprintf(out, "%*s", width - n, "");
}

static void put_cell(FILE *out, const fwd_node *node, int i, int width)
{
    char text[CELL];
    if (table[i].kind == NAME) {
        put_left(out, node->name, width);
        return;
    }
    if (table[i].kind == STATE || table[i].kind == VERSION) {
        const char *word = table[i].kind == STATE ? state_of(node)
                           : node->version[0]     ? node->version
                                                  : "-";
        int blanks = width - width_of(word);
        fprintf(out, "%*s", blanks > 1 ? blanks : 1, "");
        put_left(out, word, blanks > 1 ? width - blanks : width - 1);
        return;
    }
    figure(text, table[i].kind, node->figure[table[i].figure]);
    fprintf(out, "%*s", width, text);
}

/* --- lines --- */

static int name_width(const fwd_nodes *nodes, const fwd_view *view)
{
    int width = NAME_MIN;
    for (size_t i = 0; i < nodes->n; i++) {
        int n = width_of(nodes->node[i].name);
        width = n > width ? n : width;
    }
    width = width < NAME_MAX ? width : NAME_MAX;
    return view->columns > 0 && width > view->columns ? view->columns : width;
}

/* How many columns of the table fit. */
static int fitting(const fwd_view *view, int name)
{
    int at = 0, i = 0;
    for (; i < COLUMNS; i++) {
        at += i == 0 ? name : table[i].width;
        if (view->columns > 0 && at > view->columns && i > 0) {
            break;
        }
    }
    return i;
}

static void end_line(FILE *out, const fwd_view *view)
{
    fputs(view->is_screen ? "\x1b[K\n" : "\n", out);
}

static void put_summary(FILE *out, const fwd_nodes *nodes, const fwd_view *view)
{
    char line[512], sessions[CELL], in[CELL], gone[CELL], lost[CELL];
    figure(sessions, COUNT, fwd_nodes_sum(nodes, FWD_SESSIONS));
    figure(in, RATE, fwd_nodes_sum(nodes, FWD_IN));
    figure(gone, RATE, fwd_nodes_sum(nodes, FWD_OUT));
    figure(lost, RATE, fwd_nodes_sum(nodes, FWD_DROPPED));
    snprintf(line, sizeof line,
             "nodes %zu   sessions %s   in %s/s   out %s/s   dropped %s/s   %s", nodes->n,
             sessions, in, gone, lost, view->trouble);
    put_left(out, line, view->columns);
    end_line(out, view);
    end_line(out, view);
}

static void put_head(FILE *out, const fwd_view *view, int n, int name)
{
    fputs(view->is_screen ? "\x1b[7m" : "", out);
    for (int i = 0; i < n; i++) {
        bool marked = view->is_screen && i == view->column;
        fputs(marked ? "\x1b[1m" : "", out);
        if (i == 0) {
            put_left(out, table[i].title, name);
        } else {
            fprintf(out, "%*s", table[i].width, table[i].title);
        }
        fputs(marked ? "\x1b[22m" : "", out);
    }
    fputs(view->is_screen ? "\x1b[0m" : "", out);
    end_line(out, view);
}

static void sort(fwd_nodes *nodes, const fwd_view *view)
{
    fwd_nodes_sort(nodes, table[view->column].figure, view->the_other_way);
}

/* How many nodes there is room for: above them stand three lines, below them two. */
static size_t fitting_rows(const fwd_nodes *nodes, const fwd_view *view)
{
    size_t room = view->rows > 6 ? (size_t)view->rows - 5 : 1;
    return view->is_screen && nodes->n > room ? room : nodes->n;
}

void fwd_table_write(FILE *out, fwd_nodes *nodes, const fwd_view *view)
{
    int name = name_width(nodes, view), n = fitting(view, name);
    size_t rows = fitting_rows(nodes, view);
    sort(nodes, view);
    if (view->is_screen) {
        fputs("\x1b[H", out);
        put_summary(out, nodes, view);
    }
    put_head(out, view, n, name);
    for (size_t i = 0; i < rows; i++) {
        for (int k = 0; k < n; k++) {
            put_cell(out, &nodes->node[i], k, k == 0 ? name : table[k].width);
        }
        end_line(out, view);
    }
    if (view->is_screen) {
        char more[48] = "";
        if (rows < nodes->n) {
            snprintf(more, sizeof more, "%zu more nodes", nodes->n - rows);
        }
        put_left(out, more, view->columns);
        end_line(out, view);
        put_left(out, keys, view->columns);
        fputs("\x1b[K\x1b[J", out); /* no line feed: the last line is the screen's last */
    }
}

static void put_number(FILE *out, const char *name, double value)
{
    if (isnan(value)) {
        fprintf(out, ",\"%s\":null", name);
    } else if (value >= 0 && value < 1e15 && (double)(uint64_t)value == value) {
        fprintf(out, ",\"%s\":%.0f", name, value);
    } else {
        fprintf(out, ",\"%s\":%g", name, value);
    }
}

void fwd_table_write_json(FILE *out, fwd_nodes *nodes, const fwd_view *view)
{
    sort(nodes, view);
    for (size_t i = 0; i < nodes->n; i++) {
        const fwd_node *node = &nodes->node[i];
        fprintf(out, "{\"node\":\"%016" PRIx64 "\"", node->number);
        for (int k = 0; k < COLUMNS; k++) {
            const char *name = table[k].json;
            if (table[k].figure >= 0) {
                put_number(out, name, node->figure[table[k].figure]);
                continue;
            }
            const char *text = table[k].kind == NAME    ? node->name
                               : table[k].kind == STATE ? state_of(node)
                                                        : node->version;
            fwd_put_field(out, false, name, text, strlen(text));
        }
        fputs("}\n", out);
    }
}
