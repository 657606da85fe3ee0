using System.Net;
using System.Net.Sockets;
using Distributed.Core;
using Distributed.Jobs.Data;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data;

public sealed class FashionMnistTests : IDisposable
{
    private const string Missing = "The package dataset-fashion-mnist is not installed (apt-get install dataset-fashion-mnist).";
    private const string PackageFolder = "/usr/share/datasets/fashion-mnist";

    private static readonly string[] _names = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Folders_are_searched_in_the_documented_order()
    {
        Directory.CreateDirectory(_folder.At("given"));
        // From the last place to the first: each new one takes precedence. The number of training samples tells which was read.
        string[] places = [_folder.At("cache", "fashion-mnist"), _folder.At("system", "fashion-mnist"),
            _folder.At("shared", "fashion-mnist"), _folder.At("shared"),
            _folder.At("given", "fashion-mnist"), _folder.At("given")];
        for (var i = 0; i < places.Length; i++)
        {
            Write(places[i], train: i + 1, compressed: i % 2 == 0);
            Assert.Equal(i + 1, FashionMnist.Load(Options(FakeNetwork.Closed())).Train.Count);
        }
    }

    [Fact]
    public void Without_files_and_network_the_message_lists_the_searched_folders_and_the_remedies()
    {
        Directory.CreateDirectory(_folder.At("given"));
        var message = Refused();
        string[] expected =
        [
            "dataset-fashion-mnist", "--data-dir", "Name or service not known",
            _folder.At("given") + ",", _folder.At("given", "fashion-mnist"), _folder.At("shared") + ",",
            _folder.At("shared", "fashion-mnist"), _folder.At("system", "fashion-mnist"), _folder.At("cache", "fashion-mnist"),
        ];
        Assert.All(expected, part => Assert.Contains(part, message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_data_directory_that_does_not_exist_is_refused() =>
        Assert.Contains(_folder.At("given"), Refused(), StringComparison.Ordinal);

    [Fact]
    public void A_folder_with_some_of_the_files_is_refused_naming_the_others()
    {
        Write(_folder.At("given"));
        File.Delete(_folder.At("given", _names[3]));
        var message = Refused();
        Assert.Contains(_names[3], message, StringComparison.Ordinal);
        Assert.DoesNotContain(_names[2], message, StringComparison.Ordinal);
    }

    [Fact]
    public void Counts_that_differ_are_refused()
    {
        Write(_folder.At("given"), train: 3);
        File.WriteAllBytes(_folder.At("given", _names[1]), IdxBytes.Of([4], new byte[4]));
        Assert.Contains("3 images", Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_label_out_of_range_is_refused_with_its_offset()
    {
        Write(_folder.At("given"), train: 3);
        File.WriteAllBytes(_folder.At("given", _names[1]), IdxBytes.Of([3], [0, 10, 1]));
        Assert.Contains($"{_names[1]}, byte 9: label 10; allowed are 0 to 9", Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public void Images_of_another_size_are_refused()
    {
        Write(_folder.At("given"), train: 3);
        File.WriteAllBytes(_folder.At("given", _names[0]), IdxBytes.Of([3, 28, 27], new byte[3 * 28 * 27]));
        Assert.Contains("28x27", Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_download_of_other_content_is_refused_and_leaves_nothing()
    {
        Directory.CreateDirectory(_folder.At("given"));
        var network = new FakeNetwork(_ => new ByteArrayContent(IdxBytes.Gzipped([1, 2, 3])));
        Assert.Contains("SHA-256", Assert.Throws<DataException>(() => FashionMnist.Load(Options(network))).Message,
            StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.At("cache", "fashion-mnist")));
    }

    [Fact]
    public void The_package_has_the_published_shape()
    {
        Assert.SkipUnless(Directory.Exists(PackageFolder), Missing);
        var set = DataSets.Load("fashion-mnist",
            new DataOptions { SharedDirectory = null, CacheDirectory = _folder.Path, HttpHandler = FakeNetwork.Closed() });
        var (train, test) = ((ImageSet)set.Train, (ImageSet)set.Test);
        Assert.Equal((60_000, 10_000), (train.Count, test.Count));
        Assert.Equal((1, 28, 28, 10), (train.Format.Channels, train.Height, train.Width, train.Format.Classes));
        // The classes are balanced.
        Assert.All(train.Labels.ToArray().CountBy(label => label), kind => Assert.Equal(6_000, kind.Value));
        Assert.All(test.Labels.ToArray().CountBy(label => label), kind => Assert.Equal(1_000, kind.Value));
        Assert.Equal("d0edcbd0d3f4097d16ba3a02d8f402ae", set.Fingerprint);
    }

    [Fact]
    public async Task Missing_files_are_downloaded_once_and_found_again()
    {
        Assert.SkipUnless(Directory.Exists(PackageFolder), Missing);
        Directory.CreateDirectory(_folder.At("given"));
        using var server = new HttpListener();
        var port = FreePort();
        server.Prefixes.Add($"http://*:{port}/");
        server.Start();
        var requests = new List<string>();
        var serving = ServeAsync(server, requests);
        // The official address, answered by this process over a real connection.
        using var network = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancel) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(IPAddress.Loopback, port, cancel);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };

        Assert.Equal(60_000, FashionMnist.Load(Options(network)).Train.Count);
        Assert.Equal(_names.Select(name => name + ".gz"), requests);
        Assert.Equal(_names.Order(), Directory.GetFiles(_folder.At("cache", "fashion-mnist")).Select(Path.GetFileName).Order());

        File.Delete(_folder.At("cache", "fashion-mnist", _names[3]));
        Assert.Equal(10_000, FashionMnist.Load(Options(network)).Test.Count);
        Assert.Equal(5, requests.Count);

        server.Stop();
        await serving;
    }

    private string Refused() => Assert.Throws<DataException>(() => FashionMnist.Load(Options(FakeNetwork.Closed()))).Message;

    private DataOptions Options(HttpMessageHandler network) => new()
    {
        DataDirectory = _folder.At("given"),
        SharedDirectory = _folder.At("shared"),
        SystemDirectory = _folder.At("system"),
        CacheDirectory = _folder.At("cache"),
        HttpHandler = network,
    };

    private static void Write(string folder, int train = 2, bool compressed = false)
    {
        Directory.CreateDirectory(folder);
        foreach (var (i, count) in (ReadOnlySpan<(int, int)>)[(0, train), (2, 1)])
        {
            WriteFile(_names[i], IdxBytes.Of([count, 28, 28], new byte[count * 28 * 28]));
            WriteFile(_names[i + 1], IdxBytes.Of([count], new byte[count]));
        }

        void WriteFile(string name, byte[] content) =>
            File.WriteAllBytes(Path.Combine(folder, compressed ? name + ".gz" : name), compressed ? IdxBytes.Gzipped(content) : content);
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private static async Task ServeAsync(HttpListener server, List<string> requests)
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await server.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
            var name = Path.GetFileName(context.Request.Url!.AbsolutePath);
            requests.Add(name);
            await using (var file = File.OpenRead(Path.Combine(PackageFolder, name)))
            {
                context.Response.ContentLength64 = file.Length;
                await file.CopyToAsync(context.Response.OutputStream);
            }
            context.Response.Close();
        }
    }
}
