# Sourced by what starts a host: make its private root under root/, in the directory of its disk.
# Expects name, disk, python, prefix and mode.

whole() { mount -t overlay overlay -o "lowerdir=/,upperdir=$disk/upper,workdir=$disk/work" root; }

# Without overlay: the machine's directories read-only, a private copy of /etc, and everything that a host writes empty.
pieces() {
    mount --bind upper root
    cp -an /etc/. root/etc/ 2>/dev/null || :
    for path in /*; do
        entry=${path#/}
        case $entry in proc | sys | dev | run | lost+found) continue ;; esac
        [ -e "root/$entry" ] || [ -L "root/$entry" ] && continue
        if [ -L "$path" ]; then
            cp -P "$path" "root/$entry"
        elif [ -d "$path" ]; then
            mkdir "root/$entry"
            mount --bind "$path" "root/$entry"
            mount -o remount,bind,ro "root/$entry"
        fi
    done
    echo "weak the root is made of read-only bind mounts, because an overlay of / cannot be had here"
}

private_root() {
    cd "$disk"
    if [ "$mode" = bind ] || ! whole 2>/dev/null; then pieces; fi
    cd root
    mkdir -p proc sys dev run
    if [ ! -x ".$python" ]; then # the interpreter lives in a directory that the private root hides
        mkdir -p ".$prefix"
        mount --bind "$prefix" ".$prefix"
        mount -o remount,bind,ro ".$prefix"
    fi
}
