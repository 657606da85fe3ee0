using System.Globalization;
using k8s.Models;

namespace Distributed.Kubernetes.Tests;

/// <summary>Whether the images are what the pods take them for. What they hold is run by <see cref="DeploymentTests"/>.</summary>
public sealed class ImageTests
{
    [Theory]
    [InlineData("Coordinator", "coordinator")]
    [InlineData("Worker", "worker")]
    public async Task A_pod_finds_its_user_its_ports_and_its_folders_in_the_image(string program, string name)
    {
        var manifests = await Manifests.OfAsync("cpu");
        using var pod = new Pod(manifests, manifests.One<V1StatefulSet>(name));
        var image = Dockerfile.Of(program);
        Assert.Equal($"{pod.Spec.SecurityContext.RunAsUser}:{pod.Spec.SecurityContext.RunAsGroup}", image.Value("USER"));
        Assert.Equal(pod.Container.Ports.Select(port => port.ContainerPort).Order(), image.Value("EXPOSE").Split(' ').Select(port => int.Parse(port, CultureInfo.InvariantCulture)).Order());
        string[] writable = [.. pod.Container.VolumeMounts.Where(mount => mount.ReadOnlyProperty != true).Select(mount => mount.MountPath)];
        Assert.Equal(writable.Order(), image.List("VOLUME").Order());
        Assert.Null(pod.Container.Command);
        Assert.Equal($"distributed-{name}", pod.Container.Image.Split('/')[^1].Split(':')[0]);
    }

    [Theory]
    [InlineData("Coordinator")]
    [InlineData("Worker")]
    public void What_is_copied_is_there_and_is_not_ignored(string program)
    {
        string[] allowed = [.. Repository.Read(".dockerignore").Split('\n').Where(line => line.StartsWith('!')).Select(line => line[1..].TrimEnd('/'))];
        var copied = Dockerfile.Of(program).Copied.SelectMany(copy => copy.Sources).ToList();
        Assert.NotEmpty(copied);
        Assert.All(copied, path =>
        {
            Assert.True(Path.Exists(Repository.At(path)), path);
            Assert.Contains(path.TrimEnd('/'), allowed);
        });
    }

    [Theory]
    [InlineData("Coordinator", 40, "*torch*", "Distributed.Worker*")]
    [InlineData("Worker", 700, "libtorch_python.so", "*cuda*")]
    public async Task Only_what_runs_is_published(string program, int megabytes, params string[] absent)
    {
        var folder = new DirectoryInfo((await Image.OfAsync(program)).Folder);
        Assert.All([.. absent, "*.pdb", "*.xml"], pattern => Assert.Empty(folder.EnumerateFiles(pattern, SearchOption.AllDirectories)));
        Assert.InRange(folder.EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length) >> 20, 1, megabytes);
    }
}
