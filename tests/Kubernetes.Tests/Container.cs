using System.Runtime.InteropServices;
using Distributed.EndToEnd.Tests.Processes;
using k8s.Models;

namespace Distributed.Kubernetes.Tests;

/// <summary>
/// Starts the container of a pod on its own machine without a container engine: with its own root, in which only the volumes are
/// writable, the image's command, the variables of image and pod and no others, and the pod's user without any capability.
/// </summary>
internal static class Container
{
    // In the root rather than where the base images have it, since that folder may be missing on this machine.
    private const string Runtime = "/dotnet";

    // Only to become the pod's user; and the fonts of the system are the one of the coordinator's image.
    private static readonly string[] _system = ["/usr/bin", "/usr/lib", "/usr/lib64", "/usr/share/fonts"];

    /// <param name="hosts">A file with the host names of other pods.</param>
    public static ProgramRun Start(
        Pod pod, V1Container container, IReadOnlyDictionary<string, string> variables, Image image, NetworkNamespaces.Machine machine,
        string hosts, IReadOnlyDictionary<string, string> volumes, string root)
    {
        var user = image.User.Split(':');
        Assert.Equal([$"{pod.Spec.SecurityContext.RunAsUser}", $"{pod.Spec.SecurityContext.RunAsGroup}"], user);
        List<string> script = ["set -e", $"cd '{root}'", "ln -s usr/bin bin", "ln -s usr/lib lib", "ln -s usr/lib64 lib64", "mkdir etc",
            "touch etc/hosts"];
        Bind(hosts, "/etc/hosts", make: false);
        foreach (var folder in _system.Where(Directory.Exists)) Bind(folder, folder);
        Bind(Path.GetFullPath("../../..", RuntimeEnvironment.GetRuntimeDirectory()), Runtime);
        Bind(image.Folder, "/app");
        foreach (var folder in (string[])["/proc", "/dev", "/sys"]) Bind(folder, folder);
        foreach (var mount in container.VolumeMounts) Bind(volumes[mount.Name], mount.MountPath);
        script.Add("exec \"$@\"");

        Dictionary<string, string> environment = new(image.Environment, StringComparer.Ordinal) { ["PATH"] = $"{Runtime}:/usr/bin" };
        foreach (var (name, value) in variables) environment[name] = value;
        foreach (var (name, value) in pod.EnvironmentOf(container)) environment[name] = value;
        return ProgramRun.StartCommand(
        [
            .. machine.Command, "sh", "-c", string.Join('\n', script), "sh", "chroot", root,
            "setpriv", "--reuid", user[0], "--regid", user[1], "--groups", $"{pod.Spec.SecurityContext.FsGroup}",
            "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all",
            "env", "-i", .. environment.Select(variable => $"{variable.Key}={variable.Value}"),
            .. image.Command, .. container.Args ?? [],
        ]);

        void Bind(string source, string target, bool make = true)
        {
            if (make) script.Add($"mkdir -p '.{target}'");
            script.Add($"mount --rbind '{source}' '.{target}'");
        }
    }

    /// <summary>Gives a volume's folder to the pod's group as the kubelet does, and returns it.</summary>
    public static string Own(Pod pod, string folder, bool isWritable)
    {
        if (!OperatingSystem.IsLinux()) throw new PlatformNotSupportedException();
        var group = (uint)pod.Spec.SecurityContext.FsGroup!.Value;
        Directory.CreateDirectory(folder);
        Assert.Equal(0, ChangeOwner(folder, 0, group));
        const UnixFileMode Read = UnixFileMode.UserRead | UnixFileMode.GroupRead;
        const UnixFileMode Search = UnixFileMode.UserExecute | UnixFileMode.GroupExecute;
        const UnixFileMode Write = UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.SetGroup;
        File.SetUnixFileMode(folder, Read | Search | (isWritable ? Write : 0));
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            Assert.Equal(0, ChangeOwner(file, 0, group));
            File.SetUnixFileMode(file, Read);
        }
        return folder;
    }

    [DllImport("libc", EntryPoint = "chown", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true),
        DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int ChangeOwner(string path, uint user, uint group);
}
