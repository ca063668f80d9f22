/* Export folder: where the file of an export is made, beside its place: ".drc-export-XXXXXX", private,
 * locked (flock) as long as its process lives. What a killed one has left is locked by nobody, and the
 * next export into the same place removes it. */
#ifndef DRC_MOVER_EXPORT_FOLDER_H
#define DRC_MOVER_EXPORT_FOLDER_H

struct export_folder {
    char *path; /* NULL: none */
    int lock;
};

/* Beside the file `path`. 0, or errno. Where a file system knows no locks of folders (NFS), it has none,
 * and nothing is removed there. */
int export_folder_make(struct export_folder *folder, const char *path);
/* With the files in it. */
void export_folder_remove(struct export_folder *folder);

#endif
