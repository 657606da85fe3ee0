using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>Checks the partitions that <see cref="PartitionTests"/> uses.</summary>
public sealed class NetworkNamespacesTests
{
    [Fact]
    public async Task Packets_vanish_without_breaking_a_connection_and_come_through_again()
    {
        using var network = NetworkNamespaces.Create("a", "b", "c");
        using var ab = await Connection.OpenAsync(network, "a", "b");
        using var ac = await Connection.OpenAsync(network, "a", "c");
        using var bc = await Connection.OpenAsync(network, "b", "c");

        network.CutOff("a");
        Task[] waiting = [ab.EchoAsync(1), ac.EchoAsync(1)];
        await bc.EchoAsync(100);
        Assert.DoesNotContain(waiting, echo => echo.IsCompleted);
        network.Rejoin("a");
        await Task.WhenAll(waiting);

        network.Separate("a", "b");
        waiting = [ab.EchoAsync(1)];
        await ac.EchoAsync(100);
        await bc.EchoAsync(100);
        Assert.DoesNotContain(waiting, echo => echo.IsCompleted);
        network.Unite("a", "b");
        await Task.WhenAll(waiting);
    }

    [Fact]
    public void No_namespace_is_left_behind()
    {
        NetworkNamespaces.Machine machine;
        using (var network = NetworkNamespaces.Create("a"))
        {
            machine = network["a"];
            Assert.True(File.Exists($"/run/netns/{machine.Namespace}"));
            Assert.Contains(NetworkInterface.GetAllNetworkInterfaces(), i => i.Name == machine.Port);
        }
        Assert.False(File.Exists($"/run/netns/{machine.Namespace}"));
        Assert.DoesNotContain(
            NetworkInterface.GetAllNetworkInterfaces(), i => i.Name.StartsWith(machine.Port[..^2], StringComparison.Ordinal));
    }

    private sealed class Connection(Socket near, Socket far) : IDisposable
    {
        private readonly byte[] _byte = new byte[1];

        public static async Task<Connection> OpenAsync(NetworkNamespaces network, string from, string to)
        {
            using var listener = network.OpenSocket(to);
            listener.Bind(new IPEndPoint(network[to].Address, 0));
            listener.Listen();
            var near = network.OpenSocket(from);
            await near.ConnectAsync(listener.LocalEndPoint!);
            return new(near, await listener.AcceptAsync());
        }

        /// <summary>Sends a byte there and back.</summary>
        public async Task EchoAsync(int times)
        {
            using var deadline = new CancellationTokenSource(ProgramRun.Timeout);
            for (var i = 0; i < times; i++)
            {
                await near.SendAsync(_byte, deadline.Token);
                Assert.Equal(1, await far.ReceiveAsync(_byte, deadline.Token));
                await far.SendAsync(_byte, deadline.Token);
                Assert.Equal(1, await near.ReceiveAsync(_byte, deadline.Token));
            }
        }

        public void Dispose()
        {
            near.Dispose();
            far.Dispose();
        }
    }
}
