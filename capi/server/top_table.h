/*
 * The table of `fanwired top`: which columns there are, and how each is written. Knows
 * nothing of terminals but their size.
 */
#ifndef FANWIRED_TOP_TABLE_H
#define FANWIRED_TOP_TABLE_H

#include <stdio.h>

#include "top_nodes.h"

typedef struct fwd_view {
    int columns, rows; /* what fits; 0: as much as there is */
    int column;        /* by which it is sorted: an index of the table's columns */
    bool the_other_way;
    bool is_screen; /* escape sequences for a terminal, and lines that tell the keys */
    const char *trouble; /* "": none */
} fwd_view;

/* By sessions. */
void fwd_view_init(fwd_view *view);

/* A key that was pressed: another column to sort by, or the other way round. false: it
 * means nothing here. */
bool fwd_view_key(fwd_view *view, char key);

/* Sorts the nodes and writes them. */
void fwd_table_write(FILE *out, fwd_nodes *nodes, const fwd_view *view);

/* The same as JSON, an object a line. */
void fwd_table_write_json(FILE *out, fwd_nodes *nodes, const fwd_view *view);

#endif
