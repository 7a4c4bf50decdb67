/*
 * A command that asks the cluster something about a room and prints the answer: a node
 * that serves nobody for as long as it asks.
 */
#ifndef FANWIRED_QUESTION_H
#define FANWIRED_QUESTION_H

#include <semaphore.h>
#include <stdio.h>

#include "args.h"
#include "json_out.h"

typedef struct fwd_question fwd_question;

struct fwd_question {
    const char *command; /* its name */
    fw_event_type answer;
    /* Asks for the first page, by one of the library's functions. FW_OK or FW_ERR_. */
    int (*ask)(fw_hub *hub, fwd_question *q);
    /* Prints a page, and asks for the next or calls fwd_question_end. On the hub's
     * thread; user is the question. */
    fw_handler on_answer;
    const char *room;
    bool json;
    int err;
    char why[256];
    sem_t done;
};

/* Runs it with the command's options, which are changed. Returns the exit status. */
int fwd_question_run(fwd_question *q, const fwd_args *args, fw_options *options);

/* The hub of a command that asks about the room or user that is its first word, or about
 * neither: it listens nowhere, and doesn't start without Redis. 0, or the exit status
 * after the reason was reported. Changes options. */
int fwd_question_hub(const char *command, const fwd_args *args, fw_options *options,
                     fw_hub **hub);

/* That was all, or an error. */
void fwd_question_end(fwd_question *q, int err, const char *why);

/* fwd_put_field, printed. */
void fwd_print_field(bool first, const char *name, const char *text, size_t len);
/* A blank and the text, without control characters: a line stays a line, and a terminal
 * is told nothing, whatever is in it. */
void fwd_print_plain(const char *text, size_t len);

#endif
