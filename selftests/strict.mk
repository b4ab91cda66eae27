# SPDX-License-Identifier: GPL-2.0
# Read before Makefile.kvm (MAKEFILES): more warnings for our files, which the
# base's own headers and sources do not stand.
$(STRICT): CFLAGS += -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers
%/x86/vmsa-zap: LDLIBS += -luring
