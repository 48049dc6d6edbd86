# Debian packages: `cpack -G DEB` in the build folder.  The shared libraries, what a program needs to be built with them, and the
# program with its service; what they depend on is read out of the binaries by dpkg-shlibdeps.
install(FILES core/install/lunette.service DESTINATION lib/systemd/system COMPONENT tool)
install(FILES core/install/lunette.sysusers DESTINATION lib/sysusers.d RENAME lunette.conf COMPONENT tool)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/lunette COMPONENT tool)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/liblunette${soversion} COMPONENT library)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/liblunette-dev COMPONENT dev)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL library dev tool)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_PACKAGE_CONTACT "the Lunette project")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_BINARY_DIR})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME liblunette${soversion})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "connection tracker with a scriptable policy, shared libraries
An engine that is handed packets, tracks their connections, and answers what is
to become of each; with policies in Lua, on captures, and live on Linux.")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME liblunette-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "liblunette${soversion} (= ${PROJECT_VERSION}), libuv1-dev")
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS
	"liblua5.4-dev, libcjson-dev, libpcap-dev, libnetfilter-queue-dev, libnetfilter-conntrack-dev, libmnl-dev")
set(CPACK_COMPONENT_DEV_DESCRIPTION "connection tracker with a scriptable policy, for programs of your own
Headers, static libraries, pkg-config files and CMake packages of liblunette.
Linking the static libraries takes the suggested packages.")
set(CPACK_DEBIAN_TOOL_PACKAGE_NAME lunette)
set(CPACK_DEBIAN_TOOL_PACKAGE_SECTION net)
set(CPACK_DEBIAN_TOOL_PACKAGE_RECOMMENDS "nftables")
set(CPACK_DEBIAN_TOOL_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/core/install/postinst)
set(CPACK_COMPONENT_TOOL_DESCRIPTION "connection tracker with a scriptable policy, program and service
Checks, tests and traces policies, replays captures, and runs as the agent of a
node that hands connections to their endpoints. The service starts when there
is a policy at /etc/lunette/policy.lua.")
include(CPack)
