# A library of the project, built, and installed for who links it with CMake, with pkg-config, or by hand.
#
# The objects are compiled once, position independent, and make both a static and a shared library: NAME and NAME-shared here,
# lunette::NAME-static and lunette::NAME once installed.  Nothing that is installed holds a path of the machine that built it:
# the pkg-config file goes by its own place, so a tree may be staged and moved.
include(CMakePackageConfigHelpers)

# What a program that was linked needs to find again (lunette.h, "Growth").
set(soversion ${PROJECT_VERSION_MAJOR})
if(soversion EQUAL 0)
	string(APPEND soversion .${PROJECT_VERSION_MINOR})
endif()
configure_file(core/install/exports.map.in exports.map @ONLY)

# lunette_library(NAME IS "what it is" FOLDERS folder... [ON our libraries...] [PACKAGES pkg-config names...]
#	[PUBLIC those of PACKAGES whose headers ours include...])
function(lunette_library name)
	cmake_parse_arguments(library "" "IS" "FOLDERS;ON;PACKAGES;PUBLIC" ${ARGN})
	set(sources "")
	foreach(folder ${library_FOLDERS})
		file(GLOB found CONFIGURE_DEPENDS ${folder}/*.c)
		list(APPEND sources ${found})
	endforeach()
	add_library(${name} STATIC ${sources})
	add_library(${name}-shared SHARED $<TARGET_OBJECTS:${name}>)
	target_include_directories(${name} PRIVATE core)
	foreach(target ${name} ${name}-shared)
		target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
			$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
		foreach(package ${library_PACKAGES})
			string(REPLACE "." "_" imported ${package})
			set(scope PRIVATE)
			if(package IN_LIST library_PUBLIC)
				set(scope PUBLIC)
			endif()
			target_link_libraries(${target} ${scope} PkgConfig::${imported})
		endforeach()
	endforeach()
	foreach(other ${library_ON})
		target_link_libraries(${name} PUBLIC ${other})
		target_link_libraries(${name}-shared PUBLIC ${other}-shared)
	endforeach()
	set_target_properties(${name} PROPERTIES EXPORT_NAME ${name}-static)
	set_target_properties(${name}-shared PROPERTIES EXPORT_NAME ${name} OUTPUT_NAME ${name}
		VERSION ${PROJECT_VERSION} SOVERSION ${soversion} LINK_DEPENDS ${CMAKE_BINARY_DIR}/exports.map)
	target_link_options(${name}-shared PRIVATE -Wl,--version-script=${CMAKE_BINARY_DIR}/exports.map)
	if(NOT LUNETTE_SANITIZE AND NOT LUNETTE_FUZZ) # clang's runtime is in the program alone
		target_link_options(${name}-shared PRIVATE -Wl,--no-undefined)
	endif()
	lunette_library_install()
endfunction()

# Reads what lunette_library was called with.
macro(lunette_library_install)
	set(packages_folder ${CMAKE_INSTALL_LIBDIR}/cmake/${name})
	set(requires ${library_ON} ${library_PUBLIC})
	set(requires_private ${library_PACKAGES})
	list(REMOVE_ITEM requires_private ${library_PUBLIC})
	list(JOIN requires " " requires)
	list(JOIN requires_private " " requires_private)
	set(libs_private -lm)
	list(JOIN library_ON " " library_ON)
	list(JOIN library_PACKAGES " " library_PACKAGES)
	file(RELATIVE_PATH to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
	configure_file(core/install/library.pc.in ${name}.pc @ONLY)
	configure_file(core/install/library-config.cmake.in ${name}-config.cmake @ONLY)
	write_basic_package_version_file(${name}-config-version.cmake COMPATIBILITY SameMinorVersion)
	install(TARGETS ${name} ${name}-shared EXPORT ${name}
		LIBRARY COMPONENT library NAMELINK_COMPONENT dev ARCHIVE COMPONENT dev)
	install(EXPORT ${name} NAMESPACE lunette:: FILE ${name}-targets.cmake DESTINATION ${packages_folder} COMPONENT dev)
	install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/${name}-config-version.cmake
		DESTINATION ${packages_folder} COMPONENT dev)
	install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
endmacro()
