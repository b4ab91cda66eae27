# SPDX-License-Identifier: GPL-2.0
# Read before Makefile.kvm (MAKEFILES): more warnings for our files, which the
# base's own headers and sources do not stand.  COMPAT is the header that makes an
# older library look like the one that they are written for; -Wclobbered is about
# the harness that comes with it.
$(STRICT): CFLAGS += -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers $(if $(COMPAT),-include $(COMPAT) -Wno-clobbered)
%/x86/vmsa-zap: LDLIBS += -luring
