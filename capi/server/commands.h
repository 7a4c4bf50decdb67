/*
 * What fanwired can do; each is called once by main and returns the exit status.
 */
#ifndef FANWIRED_COMMANDS_H
#define FANWIRED_COMMANDS_H

#include "args.h"

/* Serve until told to stop. With --check-config: check, and serve nothing. Changes the
 * options if there are hooks. */
int fwd_serve(const fwd_args *args, fw_options *options);

/* fanwired publish ROOM TEXT. Changes the options that a server would have. */
int fwd_publish(const fwd_args *args, fw_options *options);

/* fanwired presence ROOM, and history ROOM. Likewise. */
int fwd_presence(const fwd_args *args, fw_options *options);
int fwd_history(const fwd_args *args, fw_options *options);

/* fanwired token --user USER. */
int fwd_token(const fwd_args *args, const fw_options *options);

/* fanwired disconnect USER. */
int fwd_disconnect(const fwd_args *args, const fw_options *options);

/* fanwired trace ROOM. As fwd_presence. */
int fwd_trace(const fwd_args *args, fw_options *options);

/* fanwired top. Likewise. */
int fwd_top(const fwd_args *args, fw_options *options);

#endif
