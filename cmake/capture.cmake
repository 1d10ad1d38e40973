# cmake -DPROGRAM=... -DARGUMENTS=... -DOUT=... -P capture.cmake: what a program says, as a file.
execute_process(COMMAND ${PROGRAM} ${ARGUMENTS} OUTPUT_FILE ${OUT} COMMAND_ERROR_IS_FATAL ANY)
