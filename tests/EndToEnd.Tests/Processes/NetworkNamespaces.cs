using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Distributed.EndToEnd.Tests.Processes;

/// <summary>
/// Machines on one network, as network namespaces of Linux at a bridge. They can be cut off from each other: packets are then
/// dropped without a word, which is what a network does to whoever is far away.
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

    /// <summary>One of the machines.</summary>
    /// <param name="Name">Its name in the test.</param>
    /// <param name="Namespace">Its namespace.</param>
    /// <param name="Port">Its port at the bridge.</param>
    /// <param name="Address">Its address.</param>
    /// <param name="Boot">File with the number that tells which kernel it runs.</param>
    internal sealed record Machine(string Name, string Namespace, string Port, IPAddress Address, string Boot)
    {
        /// <summary>Address of its network card.</summary>
        public string Card => $"02:00:00:00:00:{Address.GetAddressBytes()[^1]:x2}";

        /// <summary>
        /// What a command line begins with that is to run there. Processes of one kernel exchange frames through memory, however
        /// well their machines are cut off.
        /// </summary>
        public IReadOnlyList<string> Command =>
            ["ip", "netns", "exec", Namespace, "sh", "-c", $"mount --bind '{Boot}' /proc/sys/kernel/random/boot_id && exec \"$@\"", "sh"];
    }

    /// <summary>The machine of a name.</summary>
    public Machine this[string name] => _machines.Single(machine => machine.Name == name);

    /// <summary>Makes them; the test is skipped where that is not possible.</summary>
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

    /// <summary>A socket of a machine, whoever uses it.</summary>
    public Socket OpenSocket(string machine)
    {
        var path = $"/run/netns/{this[machine].Namespace}";
        Socket? socket = null;
        // A thread of its own, since it never comes back from there.
        var visitor = new Thread(() =>
        {
            using var network = File.OpenHandle(path);
            if (SetNamespace((int)network.DangerousGetHandle(), OfNetwork) == 0) socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        });
        visitor.Start();
        visitor.Join();
        return socket ?? throw new InvalidOperationException($"{path} could not be entered");
    }

    /// <summary>Nothing reaches it or leaves it any more.</summary>
    public void CutOff(string machine) => Run("ip", "link", "set", this[machine].Port, "nomaster");

    /// <summary>The opposite of <see cref="CutOff"/>.</summary>
    public void Rejoin(string machine) => Run("ip", "link", "set", this[machine].Port, "master", _bridge);

    /// <summary>These two do not reach each other any more, but all others.</summary>
    public void Separate(string first, string second) => Isolate("on", first, second);

    /// <summary>The opposite of <see cref="Separate"/>.</summary>
    public void Unite(string first, string second) => Isolate("off", first, second);

    /// <summary>Removes them all.</summary>
    public void Dispose()
    {
        foreach (var machine in _machines)
        {
            // The port first: a namespace takes its time to go.
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
            Run("ip", "link", "add", machine.Port, "type", "veth", "peer", "name", "eth0", "address", machine.Card, "netns", machine.Namespace);
            Run("ip", "link", "set", machine.Port, "master", _bridge, "up");
            Run("ip", "-n", machine.Namespace, "link", "set", "lo", "up");
            Run("ip", "-n", machine.Namespace, "address", "add", $"{machine.Address}/24", "dev", "eth0");
            Run("ip", "-n", machine.Namespace, "link", "set", "eth0", "up");
        }
        // Nobody has to ask for a card's address, which would fail where packets are only to vanish.
        foreach (var machine in _machines)
            foreach (var other in _machines.Where(other => other != machine))
                Run("ip", "-n", machine.Namespace, "neighbour", "add", $"{other.Address}", "lladdr", other.Card, "dev", "eth0", "nud", "permanent");
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
            // It had not come to be.
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
