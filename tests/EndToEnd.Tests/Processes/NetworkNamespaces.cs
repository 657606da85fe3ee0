using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Distributed.EndToEnd.Tests.Processes;

/// <summary>
/// Machines on one network, as Linux network namespaces at a bridge. They can be cut off from each other: their packets are then dropped
/// silently, as on a real network.
/// </summary>
internal sealed class NetworkNamespaces : IDisposable
{
    // CLONE_NEWNET of setns(2).
    private const int OfNetwork = 0x40000000;

    private static int _count;

    private readonly string _bridge;
    private readonly List<Machine> _machines = [];
    private readonly TemporaryFolder _files = new();

    private NetworkNamespaces(string bridge) => _bridge = bridge;

    /// <param name="Port">Its port at the bridge.</param>
    /// <param name="Boot">File with the boot number of its kernel.</param>
    internal sealed record Machine(string Name, string Namespace, string Port, IPAddress Address, string Boot)
    {
        /// <summary>Address of its network card.</summary>
        public string Card => $"02:00:00:00:00:{Address.GetAddressBytes()[^1]:x2}";

        /// <summary>
        /// Prefix of a command line to run there. Each machine has a boot number of its own: processes of one kernel would exchange frames
        /// through memory in spite of a partition.
        /// </summary>
        public IReadOnlyList<string> Command =>
            ["ip", "netns", "exec", Namespace, "sh", "-c", $"mount --bind '{Boot}' /proc/sys/kernel/random/boot_id && exec \"$@\"", "sh"];
    }

    public Machine this[string name] => _machines.Single(machine => machine.Name == name);

    /// <summary>Makes the machines; skips the test if that is impossible.</summary>
    public static NetworkNamespaces Create(params ReadOnlySpan<string> names)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "Network namespaces need Linux and root.");
        // An interface has a name of 15 characters at most.
        var prefix = $"dt{Environment.ProcessId}n{Interlocked.Increment(ref _count)}";
        var network = new NetworkNamespaces($"{prefix}b");
        try
        {
            network.Build(prefix, names);
            return network;
        }
        catch (CommandException error)
        {
            network.Dispose();
            Assert.Skip($"There are no network namespaces here: {error.Message}");
            throw;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>A socket of a machine.</summary>
    public Socket OpenSocket(string machine)
    {
        var path = $"/run/netns/{this[machine].Namespace}";
        Socket? socket = null;
        // A thread of its own, since it cannot leave the namespace.
        var visitor = new Thread(() =>
        {
            using var network = File.OpenHandle(path);
            if (SetNamespace((int)network.DangerousGetHandle(), OfNetwork) == 0)
                socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        });
        visitor.Start();
        visitor.Join();
        return socket ?? throw new InvalidOperationException($"{path} could not be entered");
    }

    /// <summary>Drops all packets to and from a machine.</summary>
    public void CutOff(string machine) => Run("ip", "link", "set", this[machine].Port, "nomaster");

    /// <summary>The opposite of <see cref="CutOff"/>.</summary>
    public void Rejoin(string machine) => Run("ip", "link", "set", this[machine].Port, "master", _bridge);

    /// <summary>Drops all packets between two machines only.</summary>
    public void Separate(string first, string second) => Isolate("on", first, second);

    /// <summary>The opposite of <see cref="Separate"/>.</summary>
    public void Unite(string first, string second) => Isolate("off", first, second);

    /// <summary>Removes all machines.</summary>
    public void Dispose()
    {
        foreach (var machine in _machines)
        {
            // The port first: the kernel removes a namespace later.
            TryRun("ip", "link", "del", machine.Port);
            TryRun("ip", "netns", "del", machine.Namespace);
        }
        TryRun("ip", "link", "del", _bridge);
        _files.Dispose();
    }

    private void Build(string prefix, ReadOnlySpan<string> names)
    {
        Run("ip", "link", "add", _bridge, "type", "bridge");
        Run("ip", "link", "set", _bridge, "up");
        for (var i = 0; i < names.Length; i++)
        {
            var machine = new Machine(names[i], $"{prefix}-{names[i]}", $"{prefix}p{i}", new([10, 77, 0, (byte)(i + 1)]), _files[names[i]]);
            _machines.Add(machine);
            File.WriteAllText(machine.Boot, $"{Guid.NewGuid()}\n");
            Run("ip", "netns", "add", machine.Namespace);
            Run("ip", "link", "add", machine.Port, "type", "veth", "peer", "name", "eth0", "address", machine.Card, "netns",
                machine.Namespace);
            Run("ip", "link", "set", machine.Port, "master", _bridge, "up");
            Run("ip", "-n", machine.Namespace, "link", "set", "lo", "up");
            Run("ip", "-n", machine.Namespace, "address", "add", $"{machine.Address}/24", "dev", "eth0");
            Run("ip", "-n", machine.Namespace, "link", "set", "eth0", "up");
        }
        // Fixed neighbours: an ARP request would fail at once in a partition, where packets must only vanish.
        foreach (var machine in _machines)
            foreach (var other in _machines.Where(other => other != machine))
                Run("ip", "-n", machine.Namespace, "neighbour", "add", $"{other.Address}", "lladdr", other.Card, "dev", "eth0", "nud",
                    "permanent");
    }

    private void Isolate(string isolated, params ReadOnlySpan<string> machines)
    {
        foreach (var machine in machines) Run("bridge", "link", "set", "dev", this[machine].Port, "isolated", isolated);
    }

    private static void TryRun(params string[] command)
    {
        try
        {
            Run(command);
        }
        catch (CommandException)
        {
            // It was never created.
        }
    }

    private static void Run(params string[] command)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true })!;
            var error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode != 0) throw new CommandException($"{string.Join(' ', command)}: {error.Trim()}");
        }
        catch (Win32Exception error)
        {
            throw new CommandException($"{command[0]} of iproute2 cannot be run: {error.Message}");
        }
    }

    [DllImport("libc", EntryPoint = "setns"), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetNamespace(int descriptor, int type);

    private sealed class CommandException(string message) : Exception(message);
}
