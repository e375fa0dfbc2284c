# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# cmake -DPROGRAM= -DNUMBER= -DTITLE= -DSTAMP= -P judge.cmake: with a fault the test program must fail, without it must not.
set(ENV{OMP_NUM_THREADS} 2)
set(ENV{OMP_PROC_BIND} false)
set(ENV{OMP_WAIT_POLICY} passive)
execute_process(COMMAND timeout --signal=KILL 600 ${PROGRAM} --abort ~[slow]
                RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 137 OR result MATCHES "[Kk]illed")  # proves nothing: the machine may have been busy
  message(FATAL_ERROR "${TITLE}: no result in ten minutes\n${output}")
elseif(NUMBER EQUAL 0)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${TITLE}: the tests fail without a fault\n${output}")
  endif()
elseif(result EQUAL 0)
  message(FATAL_ERROR "NOT SEEN: ${TITLE}")
endif()
file(WRITE "${STAMP}" "${output}")
